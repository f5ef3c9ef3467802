"""How an occurrence goes on when one of its runs ends: which jobs start next, or what its outcome is. Pure.

Jobs run in their declared order, `parallel` at a time; one that fails does not stop the others unless the schedule says
`stop_on_failure`. A row exists for every job that was reached; those that will not be are recorded as skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matins.domain.states import OccurrenceStatus, Reason, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceState:
    """What of an occurrence decides how it goes on."""

    jobs: tuple[str, ...]
    parallel: int = 1
    stop_on_failure: bool = False
    stopping: Reason | None = None
    """Why no further job may start: cancelled, or its own time limit is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The latest attempt at one job of the occurrence."""

    position: int
    status: RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What to write: positions to start, positions to record as skipped, and the outcome once nothing is left."""

    start: tuple[int, ...] = ()
    skip: tuple[int, ...] = ()
    reason: Reason | None = None
    """Why positions are skipped, or why the occurrence did not succeed where its runs alone do not tell."""
    outcome: OccurrenceStatus | None = None


def advance(occurrence: OccurrenceState, latest: Sequence[RunState]) -> Advance:
    """What follows, given the latest attempt of every job reached so far."""
    going = sum(not run.status.ended for run in latest)
    reached = max((run.position for run in latest), default=-1) + 1
    remaining = tuple(range(reached, len(occurrence.jobs)))
    blocked = _blocked(occurrence, latest)
    if remaining and blocked is None:
        return Advance(start=remaining[: max(0, occurrence.parallel - going)])
    if going:
        return Advance()
    outcome = _outcome(occurrence, latest, all_reached=not remaining)
    told = blocked if remaining else occurrence.stopping
    return Advance(skip=remaining, reason=None if outcome is OccurrenceStatus.SUCCEEDED else told, outcome=outcome)


def _outcome(occurrence: OccurrenceState, latest: Sequence[RunState], *, all_reached: bool) -> OccurrenceStatus:
    """The gravest of the runs' ends; of those alone when all jobs had ended by themselves before it was stopped."""
    statuses = {run.status for run in latest}
    for status, means in _GRAVITY:
        if status in statuses:
            return means
    if all_reached and RunStatus.SKIPPED not in statuses:
        return OccurrenceStatus.SUCCEEDED
    if occurrence.stopping is None:
        return OccurrenceStatus.SKIPPED
    return OccurrenceStatus.CANCELLED if occurrence.stopping is Reason.CANCELLED else OccurrenceStatus.FAILED


_GRAVITY = (
    (RunStatus.FAILED, OccurrenceStatus.FAILED),
    (RunStatus.TIMED_OUT, OccurrenceStatus.FAILED),
    (RunStatus.LOST, OccurrenceStatus.LOST),
    (RunStatus.CANCELLED, OccurrenceStatus.CANCELLED),
    (RunStatus.INTERRUPTED, OccurrenceStatus.INTERRUPTED),
)

_FAILURES = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)


def _blocked(occurrence: OccurrenceState, latest: Sequence[RunState]) -> Reason | None:
    if occurrence.stopping is not None:
        return occurrence.stopping
    if occurrence.stop_on_failure and any(run.status in _FAILURES for run in latest):
        return Reason.EARLIER_FAILURE
    return None
