"""For users' own tests: when schedules fire, jobs called with a context, and a daemon whose clock is set by hand.

Nothing here sleeps, starts a thread or a process, or looks at the real time; what is planned and recorded is planned and
recorded by the parts that do it in production.
"""

from __future__ import annotations

from matins.testing.daemon import ManualDaemon
from matins.testing.executor import Outcome
from matins.testing.recording import ProgressReport, RecordedContext, context
from matins.testing.simulation import SimulatedFire, Simulation, simulate
from matins.testing.stretch import fires

__all__ = [
    "ManualDaemon",
    "Outcome",
    "ProgressReport",
    "RecordedContext",
    "SimulatedFire",
    "Simulation",
    "context",
    "fires",
    "simulate",
]
