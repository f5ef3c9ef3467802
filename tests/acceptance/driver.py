"""A daemon as the command line runs it: settings from the environment, the schema brought up to date, then the daemon."""

from __future__ import annotations

import sys

from matins import config
from matins.config import Purpose
from matins.daemon.signals import Signals
from matins.errors import MatinsError
from matins.store.engine import Store
from matins.store.migrate import migrate
from matins.wiring import make_bus, run_daemon


def main() -> int:
    settings = config.load(Purpose.DAEMON)
    if "--migrate" in sys.argv:
        store = Store(settings.database.url)
        migrate(store)
        store.close()
    try:
        with Signals() as signals:
            return run_daemon(settings, signals, make_bus(settings))
    except MatinsError as error:
        if sys.stderr is not None:
            sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
