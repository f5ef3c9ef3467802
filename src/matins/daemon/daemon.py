"""The life of a daemon process.

*Start.* Load the code (in a child) → register → synchronise definitions → release stalled locks → start the loops →
first check. A database that is away is waited out at each step; what cannot become right by waiting (code that cannot
be loaded, a wrong schema, clashing definitions) ends the start with one message.

*Stop.* Stop planning and claiming → let running jobs finish within the grace → stop the rest and record it as
interrupted → release what was never begun → say STOPPED → disconnect. A second signal skips the waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from matins.clock import Clock
from matins.daemon.definitions import DefinitionKeeper, Loaded
from matins.daemon.dispatcher import Dispatcher, ExecutorWaiter
from matins.daemon.heartbeat import Heartbeat
from matins.daemon.housekeeper import Housekeeper
from matins.daemon.loop import AT_ONCE, EventWaiter, Loop, Pause
from matins.daemon.reaper import Reaper
from matins.daemon.scheduler import Scheduler
from matins.daemon.signals import Signals
from matins.daemon.watcher import Watcher
from matins.daemon.worker import WorkerState
from matins.domain.states import WorkerStatus
from matins.errors import AppLoadError, ConfigError, DefinitionError, SchemaError, StoreError
from matins.store import schedules, workers
from matins.store.engine import Store
from matins.telemetry.events import (
    DaemonStarted,
    DaemonStopped,
    Drained,
    EventBus,
    LeaseReleased,
    PlanningStopped,
    PollingStarted,
    StalledLocksReleased,
    StopHurried,
    StopRequested,
)

FATAL = (AppLoadError, DefinitionError, SchemaError, ConfigError)
LOOK_AT_DRAIN = 0.05
LAST_WORDS = 0.3
"""How long a database is given at least for what a stopping daemon has to say, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a daemon consists of, put together elsewhere."""

    store: Store
    heartbeat_store: Store
    state: WorkerState
    bus: EventBus
    clock: Clock
    heartbeat: Heartbeat
    definitions: DefinitionKeeper
    scheduler: Scheduler
    dispatcher: Dispatcher
    waiter: ExecutorWaiter
    reaper: Reaper
    housekeeper: Housekeeper
    watcher: Watcher
    wakes: dict[str, Callable[[], None]]
    """Filled with each loop's wake, by service name, so that services can wake each other without knowing loops."""
    loaded: Loaded
    check_schema: Callable[[], None]
    concurrency: int
    poll_seconds: float
    heartbeat_seconds: float
    grace_seconds: float


class Daemon:
    """Starts the services, waits for a stop, ends them in order."""

    def __init__(self, services: Services) -> None:
        self._s = services
        loops = {
            "heartbeat": Loop(services.heartbeat, services.bus, longest_backoff=services.heartbeat_seconds / 3),
            "dispatcher": Loop(services.dispatcher, services.bus, waiter=services.waiter),
            "scheduler": Loop(services.scheduler, services.bus),
            "definitions": Loop(services.definitions, services.bus),
            "reaper": Loop(services.reaper, services.bus),
            "housekeeper": Loop(services.housekeeper, services.bus),
            "watcher": Loop(services.watcher, services.bus),
        }
        self._loops = loops
        services.wakes.update({name: loop.wake for name, loop in loops.items()})

    def run(self, signals: Signals) -> int:
        """Live until asked to stop; answers the process's exit code."""
        try:
            if self._start(signals):
                self._wait(signals)
        finally:
            self._stop(signals)
        return 0

    def _start(self, signals: Signals) -> bool:
        """Take the steps of the start; False if a stop was asked for meanwhile."""
        start = _Start(self._steps())
        loop = Loop(start, self._s.bus, waiter=EventWaiter(), fatal=FATAL)
        while not start.done and not signals.stops:
            signals.wait(loop.turn())
        return start.done

    def _steps(self) -> list[Callable[[], None]]:
        return [
            self._s.check_schema,
            self._s.heartbeat.register,
            self._loops["heartbeat"].start,
            lambda: self._s.definitions.use(self._s.loaded),
            self._release_stalled,
            self._start_loops,
        ]

    def _release_stalled(self) -> None:
        self._s.bus.emit(StalledLocksReleased(workers=(), runs=self._s.reaper.release_stalled()))

    def _start_loops(self) -> None:
        enabled = self._s.store.read(lambda tx: schedules.count_enabled(tx, self._s.state.app))
        for name in ("dispatcher", "scheduler", "definitions", "reaper", "housekeeper", "watcher"):
            self._loops[name].start()
        self._s.bus.emit(
            DaemonStarted(worker=self._s.state.id, schedules_enabled=enabled, concurrency=self._s.concurrency)
        )
        self._s.bus.emit(PollingStarted(seconds=self._s.poll_seconds))

    def _wait(self, signals: Signals) -> None:
        while not signals.stops:
            signals.wait(None)
            if signals.take_reload():
                self._s.definitions.ask_reload()
                self._loops["definitions"].wake()

    def _stop(self, signals: Signals) -> None:
        began = self._s.clock.monotonic()
        state = self._s.state
        state.stopping = True
        if signals.stops:
            self._s.bus.emit(
                StopRequested(signal=signals.stops[0], running=state.running, grace_seconds=self._s.grace_seconds)
            )
        kills = min(5.0, self._s.grace_seconds / 5)
        self._end_loops("scheduler", "definitions", "reaper", "housekeeper", "watcher", within=kills)
        self._s.bus.emit(PlanningStopped(running=len(self._s.dispatcher.held_ids)))
        self._drain(signals, until=began + self._s.grace_seconds - kills)
        self._end_loops("dispatcher", within=kills / 10)
        interrupted = self._s.dispatcher.end_runs(kills * 0.4)
        self._s.bus.emit(Drained(interrupted=interrupted, seconds=round(self._s.clock.monotonic() - began, 3)))
        end = min(self._s.clock.monotonic() + kills, began + self._s.grace_seconds)
        self._try_until(end - kills * 0.3, self._record_ends)
        self._end_loops("heartbeat", within=kills / 10)
        self._try_until(end, lambda: self._sign_off(signals))
        self._s.definitions.close()
        self._s.store.close()
        self._s.heartbeat_store.close()
        self._s.bus.emit(DaemonStopped(worker=state.id, interrupted=interrupted))

    def _drain(self, signals: Signals, *, until: float) -> None:
        while self._s.dispatcher.held_ids and self._s.clock.monotonic() < until:
            if len(signals.stops) > 1:
                self._s.bus.emit(StopHurried(signal=signals.stops[1]))
                return
            signals.wait(LOOK_AT_DRAIN)

    def _end_loops(self, *names: str, within: float) -> None:
        until = self._s.clock.monotonic() + within
        for name in names:
            self._loops[name].stop()
        for name in names:
            self._loops[name].join(max(0.0, until - self._s.clock.monotonic()))

    def _try_until(self, at: float, what: Callable[[], None]) -> None:
        """Do this, but do not wait longer for it: a database that stands still must not hold up the end."""
        thread = threading.Thread(target=what, name="matins-last-words", daemon=True)
        thread.start()
        thread.join(max(LAST_WORDS, at - self._s.clock.monotonic()))

    def _record_ends(self) -> None:
        """What cannot be recorded is recovered by others once the lease ends."""
        try:
            self._s.dispatcher.record_ends()
        except StoreError:
            return

    def _sign_off(self, signals: Signals) -> None:
        why = signals.stops[0] if signals.stops else "a fault at start-up"
        try:
            self._s.heartbeat_store.write(lambda tx: workers.stop(tx, self._s.state.id, f"stopped by {why}"))
        except StoreError:
            return  # the row is taken for dead when its lease ends
        self._s.bus.emit(LeaseReleased(worker=self._s.state.id, status=str(WorkerStatus.STOPPED)))


class _Start:
    """The steps of a start as a service: each is repeated until it succeeds."""

    name = "start-up"

    def __init__(self, steps: list[Callable[[], None]]) -> None:
        self._steps = steps

    @property
    def done(self) -> bool:
        return not self._steps

    def run_once(self) -> Pause:
        while self._steps:
            self._steps[0]()
            self._steps.pop(0)
        return AT_ONCE
