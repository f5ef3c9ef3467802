"""What services are driven with: real stores, a clock set by hand, an executor without processes, and a bus that listens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select, update

from matins.clock import DatabaseClock, ManualClock
from matins.daemon.worker import WorkerState
from matins.domain.job import Job
from matins.domain.lease import LeaseTerms
from matins.domain.states import RunStatus, WorkerId
from matins.errors import DatabaseUnavailable
from matins.execution.port import Ended, Event, Returned, RunOrder
from matins.store import workers
from matins.store.engine import Store, Tx
from matins.store.tables import worker_instance
from matins.store.workers import NewWorker
from matins.telemetry.events import Event as Fact
from matins.telemetry.events import EventBus

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = LeaseTerms(timeout_seconds=60)
T = TypeVar("T")
F = TypeVar("F", bound=Fact)


class Heard:
    """A bus and all that was said on it."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.bus = EventBus(self.facts.append)

    def of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class FaultyStore(Store):
    """A real store that can be taken away, and that can refuse single transactions."""

    away = False
    refuse: Callable[[Tx], None] | None = None

    def read(self, work: Callable[[Tx], T]) -> T:
        self._check()
        return super().read(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        self._check()
        return super().write(lambda tx: self._refusing(work, tx))

    def _check(self) -> None:
        if self.away:
            raise DatabaseUnavailable("The database is away.")

    def _refusing(self, work: Callable[[Tx], T], tx: Tx) -> T:
        answer = work(tx)
        if self.refuse is not None:
            self.refuse(tx)
        return answer


class ByHand:
    """An executor whose runs end when the test says so; satisfies `matins.execution.port.Executor`."""

    def __init__(self, clock: ManualClock, slots: int = 2) -> None:
        self._clock = clock
        self._slots = slots
        self._events: list[Event] = []
        self._woken = threading.Event()
        self.orders: dict[int, RunOrder] = {}
        self.stopped: list[tuple[int, str]] = []
        self.deadlines: list[float] = []
        self.reloads = 0

    def capacity(self, job: Job | None = None) -> int:
        return self._slots - len(self.orders)

    def submit(self, order: RunOrder) -> None:
        self.orders[order.run_id] = order

    def end(self, run_id: int, status: RunStatus = RunStatus.SUCCEEDED, **values: Any) -> None:
        """Let a run end."""
        del self.orders[run_id]
        now = self._clock.boottime()
        self._events.append(Ended(run_id=run_id, status=status, began_at=now, ended_at=now, **values))

    def say(self, event: Event) -> None:
        self._events.append(event)

    def poll(self, timeout_seconds: float | None) -> list[Event]:
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        self._woken.set()

    def stop(self, run_id: int, reason: str) -> None:
        self.stopped.append((run_id, reason))

    def renew(self, deadline: float) -> None:
        self.deadlines.append(deadline)

    def reload(self) -> None:
        self.reloads += 1

    def close(self, grace_seconds: float) -> list[Event]:
        for run_id in list(self.orders):
            del self.orders[run_id]
            self._events.append(Returned(run_id=run_id, reason="shutdown"))
        return self.poll(0)


def new_state(clock: ManualClock, id_: str = "w1") -> WorkerState:
    """A worker's state with no lease yet."""
    return WorkerState(
        id=WorkerId(id_),
        app="shop",
        environment="production",
        terms=TERMS,
        clock=clock,
        database_clock=DatabaseClock(clock),
    )


def describe(state: WorkerState) -> NewWorker:
    return NewWorker(
        id=state.id,
        worker_type="schedule_daemon",
        app=state.app,
        environment=state.environment,
        hostname="host",
        pid=1,
        version="0",
        concurrency=2,
    )


def register(store: Store, state: WorkerState) -> None:
    """Give the worker its row and its lease."""
    at = store.write(lambda tx: workers.register(tx, describe(state), TERMS))
    sent = state.clock.boottime()
    state.renewed(sent=sent, received=sent, at=at)


def renew(store: Store, state: WorkerState) -> None:
    """One heartbeat."""
    sent = state.clock.boottime()
    renewal = store.write(lambda tx: workers.renew(tx, state.id, TERMS, next_wake_at=None, running=0))
    assert renewal is not None
    state.renewed(sent=sent, received=sent, at=renewal.at)


def beat_for(store: Store, state: WorkerState, clock: ManualClock, seconds: float) -> None:
    """Heartbeats every fifteen seconds for so long."""
    left = seconds
    while left > 0:
        step = min(15.0, left)
        clock.advance(timedelta(seconds=step))
        renew(store, state)
        left -= step


def worker_row(store: Store, id_: str) -> Any:
    return store.read(lambda tx: tx.execute(select(worker_instance).where(worker_instance.c.id == id_)).one())


def declare_dead(store: Store, id_: str) -> None:
    """As another daemon does it, whatever the lease says."""
    store.write(lambda tx: tx.execute(update(worker_instance).where(worker_instance.c.id == id_).values(status="DEAD")))
