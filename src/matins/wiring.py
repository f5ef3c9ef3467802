"""The composition root: settings become running objects here and nowhere else."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version

from matins.clock import Clock, DatabaseClock, SystemClock
from matins.config import Settings
from matins.daemon.catalogue import Catalogue
from matins.daemon.daemon import Daemon, Services
from matins.daemon.definitions import Code, DefinitionKeeper, Loaded
from matins.daemon.dispatcher import Dispatcher, ExecutorWaiter
from matins.daemon.heartbeat import Heartbeat
from matins.daemon.housekeeper import Housekeeper
from matins.daemon.reaper import Reaper
from matins.daemon.scheduler import Scheduler
from matins.daemon.signals import Signals
from matins.daemon.watcher import Watcher
from matins.daemon.worker import WorkerState, new_worker_id
from matins.domain.lease import LeaseTerms
from matins.errors import AppLoadError, StoreError, UsageError
from matins.execution.loading import load_app
from matins.execution.local import LocalExecutor
from matins.execution.port import Executor
from matins.store import schedules
from matins.store.engine import Store
from matins.store.schema import require_schema
from matins.store.workers import NewWorker
from matins.telemetry.events import DaemonDisabled, DaemonStarting, EventBus, StopRequested
from matins.telemetry.log import log_listener, make_logger

WORKER_TYPE = "schedule_daemon"
POOL_SIZE = 3
"""Connections a daemon shares between its services, besides the heartbeat's own."""


def make_bus(settings: Settings) -> EventBus:
    """Events go to the log, on standard error."""
    return EventBus(log_listener(make_logger(settings.log_format_for(sys.stderr), level=settings.log_level_number)))


def run_daemon(settings: Settings, signals: Signals, bus: EventBus) -> int:
    """Run a daemon until it is asked to stop; answers the process's exit code.

    Raises:
        AppLoadError: the application cannot be loaded.
        DefinitionError: its definitions are wrong, or clash with another application's.
        SchemaError: the database's schema is not this version's.
    """
    if not settings.daemon_enabled:
        bus.emit(DaemonDisabled(setting="SCHEDULE_DAEMON_ENABLED=false"))
        return 0
    reference = settings.app_reference()
    if settings.executor != "local":
        raise UsageError(
            f"MATINS_EXECUTOR={settings.executor} is not supported by this version.", remedy="Leave it at 'local'."
        )
    bus.emit(
        DaemonStarting(
            environment=settings.environment,
            version=version("matins"),
            app=reference,
            database=settings.database.safe_url,
        )
    )
    store = Store(settings.database.url, pool_size=POOL_SIZE, statement_timeout=_statement_timeout(settings))
    load = _loader(settings, store, given_up=lambda: bool(signals.stops))
    try:
        loaded = load()
    except AppLoadError:
        store.close()
        if not signals.stops:
            raise
        # Asked to stop while the code was still being loaded: nothing has begun that had to be ended.
        bus.emit(StopRequested(signal=signals.stops[0], running=0, grace_seconds=0.0))
        return 0
    executor = LocalExecutor(app_ref=reference, concurrency=settings.concurrency, clock=SystemClock())
    services = assemble(settings, store=store, loaded=loaded, load=load, executor=executor, bus=bus)
    return Daemon(services).run(signals)


def assemble(
    settings: Settings,
    *,
    store: Store,
    loaded: Loaded,
    load: Callable[[], Loaded],
    executor: Executor,
    bus: EventBus,
    clock: Clock | None = None,
) -> Services:
    """Put a daemon together."""
    clock = clock or SystemClock()
    terms = LeaseTerms(timeout_seconds=settings.lock_timeout_seconds)
    state = WorkerState(
        id=new_worker_id(socket.gethostname()),
        app=loaded.app,
        environment=settings.environment,
        terms=terms,
        clock=clock,
        database_clock=DatabaseClock(clock),
    )
    code, catalogue, wakes = Code(), Catalogue(), dict[str, Callable[[], None]]()
    heartbeat_seconds = settings.heartbeat_interval_ms / 1000
    poll_seconds = settings.poll_interval_ms / 1000
    heartbeat_store = Store(
        settings.database.url, pool_size=1, statement_timeout=max(1.0, min(heartbeat_seconds * 0.8, 10.0))
    )
    waiter = ExecutorWaiter(executor)
    dispatcher = Dispatcher(
        store=store,
        state=state,
        executor=executor,
        waiter=waiter,
        jobs=lambda: code.jobs,
        pools=lambda: code.pools,
        bus=bus,
        default_timeout=settings.job_timeout.total_seconds(),
    )

    def definitions_changed() -> None:
        dispatcher.code_changed()
        _wake(wakes, "scheduler")

    definitions = DefinitionKeeper(
        store=store,
        state=state,
        code=code,
        load=load,
        catalogue=catalogue,
        bus=bus,
        changed=definitions_changed,
        code_replaced=executor.reload,
    )

    def refresh_fires() -> None:
        definitions.ask_reload()
        _wake(wakes, "definitions")

    def operators_acted() -> None:
        dispatcher.operators_acted()
        _wake(wakes, "scheduler")

    return Services(
        store=store,
        heartbeat_store=heartbeat_store,
        state=state,
        bus=bus,
        clock=clock,
        heartbeat=Heartbeat(
            store=heartbeat_store,
            state=state,
            describe=lambda: _describe(state, settings),
            interval_seconds=heartbeat_seconds,
            renew_slots=executor.renew,
            drop_everything=dispatcher.drop_everything,
            bus=bus,
            clock=clock,
        ),
        definitions=definitions,
        scheduler=Scheduler(
            store=store,
            state=state,
            jobs=lambda: code.jobs,
            catalogue=Catalogue(),
            bus=bus,
            poll_seconds=poll_seconds,
            notify=dispatcher.work_arrived,
            offer=dispatcher.offer,
            accept=dispatcher.accept,
            refresh_fires=refresh_fires,
        ),
        dispatcher=dispatcher,
        waiter=waiter,
        reaper=Reaper(
            store=store,
            state=state,
            jobs=lambda: code.jobs,
            held=lambda: dispatcher.held_ids,
            bus=bus,
            longest_pause=heartbeat_seconds,
            notify=dispatcher.work_arrived,
        ),
        housekeeper=Housekeeper(
            store=store,
            state=state,
            jobs=lambda: code.jobs,
            bus=bus,
            clock=clock,
            keep_history=timedelta(days=settings.history_days),
            keep_logs=timedelta(days=settings.log_days),
            notify=dispatcher.work_arrived,
        ),
        watcher=Watcher(store=store, state=state, bus=bus, changed=operators_acted, notify=dispatcher.work_arrived),
        wakes=wakes,
        loaded=loaded,
        check_schema=lambda: require_schema(store),
        concurrency=settings.concurrency,
        poll_seconds=poll_seconds,
        heartbeat_seconds=heartbeat_seconds,
        grace_seconds=settings.shutdown_grace_ms / 1000,
    )


def _loader(settings: Settings, store: Store, given_up: Callable[[], bool]) -> Callable[[], Loaded]:
    def load() -> Loaded:
        return load_app(
            settings.app_reference(), environment=settings.environment, since=_since(store), given_up=given_up
        )

    return load


def _since(store: Store) -> datetime:
    """From when on the fires of users' own triggers are needed: the earliest watermark of such a schedule."""
    now = SystemClock().now()
    try:
        return store.read(schedules.earliest_own_watermark) or now
    except StoreError:
        # No database or no schema yet: then there is nothing to catch up with either.
        return now


def _describe(state: WorkerState, settings: Settings) -> NewWorker:
    return NewWorker(
        id=state.id,
        worker_type=WORKER_TYPE,
        app=state.app,
        environment=state.environment,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        version=version("matins"),
        concurrency=settings.concurrency,
    )


def _statement_timeout(settings: Settings) -> float:
    return max(2.0, min(30.0, settings.lock_timeout_seconds / 2))


def _wake(wakes: dict[str, Callable[[], None]], name: str) -> None:
    if name in wakes:
        wakes[name]()
