"""Who is measured, and the calls that makes: each driver with each work it knows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / ".venv"
DATABASES = ("sqlite", "postgresql", "mariadb")
DUE_AT_ONCE = (1000, 10_000)
FLOOR_RUNS = (8, 16, 32, 50)
FLOOR_SCHEDULES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One module to run for some works against one kind of server."""

    module: str
    server: str
    works: tuple[str, ...] = ("burst", "lateness")
    options: tuple[str, ...] = ()
    python: str = sys.executable


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One driver told of one work."""

    driver: Driver
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """What its figures are kept under."""
        return " ".join((self.driver.module, self.driver.server, *self.driver.options, *self.options))

    @property
    def command(self) -> list[str]:
        """The command line, but for the server."""
        return [self.driver.python, "-m", self.driver.module, *self.driver.options, *self.options]


PEER_PYTHON = str(PEERS / "bin" / "python")
MATINS = [Driver(module="bench.matins_driver", server=kind) for kind in DATABASES]
OTHERS = [
    Driver(module="bench.peers.apscheduler_threads", server="none", python=PEER_PYTHON),
    Driver(module="bench.peers.celery_beat", server="redis", works=("burst",), python=PEER_PYTHON),
    Driver(module="bench.peers.procrastinate_periodic", server="postgresql", python=PEER_PYTHON),
]
FLOOR = [
    Driver(module="bench.peers.sql_floor", server=kind, works=("floor",), options=("--runs", str(runs)))
    for kind in DATABASES
    for runs in FLOOR_RUNS
]


def calls(schedules: Sequence[int]) -> list[Call]:
    """Every driver with every work it knows."""
    return [
        Call(driver=driver, options=options)
        for driver in (*MATINS, *OTHERS, *FLOOR)
        for work in driver.works
        for options in options_for(work, schedules)
    ]


def options_for(work: str, schedules: Sequence[int]) -> list[tuple[str, ...]]:
    """How a driver is told of a work: a burst once for each number of schedules."""
    match work:
        case "burst":
            return [("--work", work, "--schedules", str(count)) for count in schedules]
        case "floor":
            return [("--schedules", str(FLOOR_SCHEDULES))]
        case _:
            return [("--work", work)]
