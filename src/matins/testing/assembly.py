"""Puts a manual daemon together: production's services, a worker's row, and nothing left to chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from matins.clock import Clock, DatabaseClock
from matins.daemon.catalogue import Catalogue
from matins.daemon.definitions import Code, DefinitionKeeper, Loaded
from matins.daemon.dispatcher import Dispatcher, ExecutorWaiter
from matins.daemon.scheduler import Scheduler
from matins.daemon.worker import WorkerState
from matins.domain.lease import LeaseTerms
from matins.domain.states import WorkerId
from matins.errors import AppLoadError
from matins.execution.port import Executor
from matins.store import workers
from matins.store.engine import Store
from matins.store.workers import NewWorker
from matins.telemetry.events import EventBus

TERMS = LeaseTerms(timeout_seconds=60)
DEFAULT_TIMEOUT = 24 * 3600.0
"""What settings say when nobody says anything else, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that a manual daemon asks for their turns."""

    definitions: DefinitionKeeper
    scheduler: Scheduler
    dispatcher: Dispatcher


def sign_on(store: Store, clock: Clock, *, app: str, environment: str) -> WorkerState:
    """Register the one worker of this ledger."""
    worker = NewWorker(
        id=WorkerId("manual-daemon"),
        worker_type="schedule_daemon",
        app=app,
        environment=environment,
        hostname="test",
        pid=0,
        version="test",
        concurrency=1,
    )
    store.write(lambda tx: workers.register(tx, worker, TERMS))
    return WorkerState(
        id=worker.id,
        app=app,
        environment=environment,
        terms=TERMS,
        clock=clock,
        database_clock=_ExactClock(clock),
    )


def assemble(store: Store, state: WorkerState, code: Code, executor: Executor) -> Services:
    """The services, telling nobody what they do."""
    bus = EventBus()
    dispatcher = Dispatcher(
        store=store,
        state=state,
        executor=executor,
        waiter=ExecutorWaiter(executor),
        jobs=lambda: code.jobs,
        pools=lambda: code.pools,
        bus=bus,
        default_timeout=DEFAULT_TIMEOUT,
        chance=half,
    )
    scheduler = Scheduler(
        store=store,
        state=state,
        jobs=lambda: code.jobs,
        catalogue=Catalogue(),
        bus=bus,
        poll_seconds=1.0,
        notify=dispatcher.work_arrived,
        offer=dispatcher.offer,
        accept=dispatcher.accept,
        refresh_fires=lambda: None,
    )
    definitions = DefinitionKeeper(
        store=store,
        state=state,
        code=code,
        load=_nothing_to_load,
        catalogue=Catalogue(),
        bus=bus,
        changed=dispatcher.code_changed,
        code_replaced=executor.reload,
    )
    return Services(definitions=definitions, scheduler=scheduler, dispatcher=dispatcher)


def half() -> float:
    """The middle of what chance could say, each time."""
    return 0.5


class _ExactClock(DatabaseClock):
    """The test's clock is the database's: no estimate, and so no rounding."""

    def at(self, boottime: float) -> datetime:
        return self.clock.now() + timedelta(seconds=boottime - self.clock.boottime())


def _nothing_to_load() -> Loaded:
    raise AppLoadError("A manual daemon is given its definitions.")
