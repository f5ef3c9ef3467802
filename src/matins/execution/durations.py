"""How long each job is expected to take, and so how many short runs may wait behind one another in a slot."""

from __future__ import annotations

_WEIGHT = 0.2
_SHORTEST = 0.0002
"""Seconds a run costs at least, its bookkeeping included."""
WORK_AHEAD = 0.05
MOST_AHEAD = 64


class Durations:
    """A moving average for each job."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}

    def observe(self, job: str, seconds: float) -> None:
        """Take in how long a run took."""
        before = self._expected.get(job)
        seconds = max(seconds, _SHORTEST)
        self._expected[job] = seconds if before is None else before + _WEIGHT * (seconds - before)

    def expected(self, job: str) -> float:
        """Seconds a run of this job is expected to take; infinite for one never seen."""
        return self._expected.get(job, float("inf"))

    def room(self, job: str, *, held: int, work: float) -> int:
        """How many more runs of a job a slot may be handed that holds so many orders, worth so much work.

        An idle slot has room for one of any job.
        """
        each = self._expected.get(job)
        if each is None or work >= WORK_AHEAD:
            return 0 if held else 1
        return max(0 if held else 1, min(MOST_AHEAD - held, int((WORK_AHEAD - work) / each)))
