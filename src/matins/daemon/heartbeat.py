"""The heartbeat: renews the lease on a thread and a connection of its own, so that nothing else can delay it.

A failed renewal counts as a missed one. The lease runs out by itself then: the slots hold the deadline and kill their
jobs before it passes, whether this process still runs or not.
"""

from __future__ import annotations

from collections.abc import Callable

from matins.clock import Clock
from matins.daemon.loop import Pause
from matins.daemon.worker import WorkerState, new_worker_id
from matins.store import workers
from matins.store.engine import Store
from matins.store.workers import NewWorker, Renewal
from matins.telemetry.events import DeclaredDead, DrainRequested, EventBus, LeaseLapsed, WorkerRegistered


class Heartbeat:
    """Renews the lease; registers anew when others declared this worker dead."""

    name = "heartbeat"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        describe: Callable[[], NewWorker],
        interval_seconds: float,
        renew_slots: Callable[[float], None],
        drop_everything: Callable[[], None],
        bus: EventBus,
        clock: Clock,
    ) -> None:
        self._store = store
        self._state = state
        self._describe = describe
        self._interval = interval_seconds
        self._renew_slots = renew_slots
        self._drop_everything = drop_everything
        self._bus = bus
        self._clock = clock
        self._lapsed = False

    def register(self) -> None:
        """Insert this worker's row with its first lease."""
        sent = self._clock.boottime()
        at = self._store.write(lambda tx: workers.register(tx, self._describe(), self._state.terms))
        self._state.renewed(sent=sent, received=self._clock.boottime(), at=at)
        self._renew_slots(self._state.trusted_until)
        worker = self._describe()
        self._bus.emit(
            WorkerRegistered(
                worker=worker.id, host=worker.hostname, pid=worker.pid, lease_seconds=self._state.terms.timeout_seconds
            )
        )

    def run_once(self) -> Pause:
        self._notice_lapse()
        sent = self._clock.boottime()
        renewal = self._store.write(
            lambda tx: workers.renew(
                tx,
                self._state.id,
                self._state.terms,
                next_wake_at=self._state.next_wake_at,
                running=self._state.running,
            )
        )
        if renewal is None:
            self._begin_anew()
        else:
            self._renewed(renewal, sent)
        return Pause(max(0.0, self._interval - (self._clock.boottime() - sent)))

    def _renewed(self, renewal: Renewal, sent: float) -> None:
        self._state.renewed(sent=sent, received=self._clock.boottime(), at=renewal.at)
        self._lapsed = False
        self._renew_slots(self._state.trusted_until)
        if renewal.draining and not self._state.draining:
            self._bus.emit(DrainRequested(worker=self._state.id))
        self._state.draining = renewal.draining

    def _begin_anew(self) -> None:
        before = self._state.id
        self._drop_everything()
        self._state.succeed(new_worker_id(self._describe().hostname))
        self.register()
        if self._state.version_id is not None:
            version_id = self._state.version_id
            self._store.write(lambda tx: workers.adopt_version(tx, self._state.id, version_id))
        self._bus.emit(DeclaredDead(worker=before, successor=self._state.id))

    def _notice_lapse(self) -> None:
        """Say once that the lease ran out; the slots have stopped the jobs by their own deadline."""
        if not self._lapsed and not self._state.trusts_lease:
            self._lapsed = True
            self._bus.emit(LeaseLapsed(worker=self._state.id, running=self._state.running))
