"""What every driver shares: the works, how a driver is called, and the line it answers with.

A driver is called as ``DRIVER --work burst --schedules N [--server URL]`` or ``--work lateness``, does that work once
and prints one JSON line, a `Figure`. Needs nothing but the standard library, since it runs in the peers' environment.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

LATENESS_SCHEDULES = 50
LATENESS_SECONDS = 20
BURST_SECONDS = 180
"""How long after the due instant a burst is given up; what had finished by then is told."""
WARM_UP_SECONDS = 3
"""Left out of the lateness: what a peer does when it starts is another question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure of one peer: a burst has `seconds`, lateness has `p50_ms` and `p99_ms`."""

    peer: str
    setting: str
    work: str
    schedules: int
    finished: int
    seconds: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def runs_per_second(self) -> float:
        """From the due instant to the last finished run; zero for a figure of lateness."""
        return self.finished / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a driver is told to do."""

    name: str
    schedules: int
    server: str


def told() -> Work:
    """Read the driver's command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=["burst", "lateness"], required=True)
    parser.add_argument("--schedules", type=int, default=LATENESS_SCHEDULES)
    parser.add_argument("--server", default="", help="URL of the database or broker")
    arguments = parser.parse_args()
    return Work(name=arguments.work, schedules=arguments.schedules, server=arguments.server)


def answer(figure: Figure) -> None:
    """Print the driver's line."""
    print(json.dumps(asdict(figure)), flush=True)


def lateness(peer: str, setting: str, latenesses: Sequence[float]) -> Figure:
    """The figure for starts that were so many seconds late."""
    ordered = sorted(latenesses)
    return Figure(
        peer=peer,
        setting=setting,
        work="lateness",
        schedules=LATENESS_SCHEDULES,
        finished=len(ordered),
        p50_ms=1000 * percentile(ordered, 0.50),
        p99_ms=1000 * percentile(ordered, 0.99),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def next_minute(at_least_seconds: float) -> int:
    """The next full minute that is so far away, in seconds of Unix time: time enough to get ready."""
    return math.ceil((time.time() + at_least_seconds) / 60) * 60


def unix_time() -> float:
    """The wall clock, in seconds."""
    return time.time()


def sleep_until(instant: float) -> None:
    """Wait for a wall-clock instant."""
    while (left := instant - time.time()) > 0:
        time.sleep(left)
