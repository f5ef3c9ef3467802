"""``matins daemon``: the daemon alone."""

from __future__ import annotations

import typer

from matins.cli.invocation import invocation
from matins.config import Purpose


def command(context: typer.Context) -> int:
    """Run the daemon until SIGTERM or Ctrl-C; a second one hurries it. SIGHUP loads the code again."""
    settings = invocation(context).settings(Purpose.DAEMON)
    # Imported here: wrong settings are told before half a second of imports.
    from matins.daemon.signals import Signals
    from matins.wiring import make_bus, run_daemon

    with Signals() as signals:
        return run_daemon(settings, signals, make_bus(settings))
