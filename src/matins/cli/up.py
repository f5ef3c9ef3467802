"""``matins up``: the whole product in one process."""

from __future__ import annotations

import typer

from matins.cli import output
from matins.cli.invocation import invocation
from matins.config import Purpose, Settings
from matins.daemon.daemon import FATAL
from matins.daemon.loop import AT_ONCE, Loop, Pause
from matins.daemon.signals import Signals
from matins.store.engine import Store
from matins.store.migrate import migrate
from matins.telemetry.events import EventBus
from matins.wiring import make_bus, run_daemon


def command(context: typer.Context) -> int:
    """Bring the schema up to date, then run the daemon until SIGTERM or Ctrl-C; a second one hurries it."""
    settings = invocation(context).settings(Purpose.UP)
    bus = make_bus(settings)
    with Signals() as signals:
        if not _migrated(settings, signals, bus):
            return 0
        return _run(settings, signals, bus)


def _run(settings: Settings, signals: Signals, bus: EventBus) -> int:
    """Run every part that the settings ask for until a stop."""
    if not settings.daemon_enabled:
        output.note("SCHEDULE_DAEMON_ENABLED=false leaves nothing to run.")
        return 0
    return run_daemon(settings, signals, bus)


def _migrated(settings: Settings, signals: Signals, bus: EventBus) -> bool:
    """Bring the schema up to date, waiting for a database that is away; False if a stop was asked for meanwhile."""
    store = Store(settings.database.url, pool_size=2)
    migration = _Migration(store)
    loop = Loop(migration, bus, fatal=FATAL)
    # No moving display here: what goes wrong is logged on the same terminal.
    output.progress(f"Bringing {settings.database.safe_url} up to date")
    try:
        while not migration.done and not signals.stops:
            signals.wait(loop.turn())
    finally:
        store.close()
    return migration.done


class _Migration:
    """Migrates once; tried again as long as the database is away."""

    name = "migration"

    def __init__(self, store: Store) -> None:
        self._store = store
        self.done = False

    def run_once(self) -> Pause:
        migrate(self._store)
        self.done = True
        return AT_ONCE
