"""Whether an occurrence starts, waits, or is skipped: the overlap rules, and nothing else.

Decided only under the schedule's row lock: when fires are planned, when a request is made, and when an occurrence ends
(which admits the next). Any occurrence not yet ended counts as running, one that waits for its next attempt included.
Catch-up runs oldest first, one at a time, whatever the overlap policy; live fires queue behind it. Backfills run one
at a time and give way: a live fire that meets only a backfill waits for it instead of being skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from matins.domain.states import OccurrenceId, OccurrenceKind, OverlapPolicy, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOccurrence:
    """An occurrence that has not ended. `admitted` is False while it waits for an earlier one."""

    id: OccurrenceId | None
    kind: OccurrenceKind
    admitted: bool
    fire_at: datetime
    started_at: datetime | None = None
    worker_id: str | None = None


class Verdict(Enum):
    """What becomes of a fire or a request now."""

    START = "start"
    WAIT = "wait"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A verdict, why it was a skip, and which running occurrences must be asked to stop for it."""

    verdict: Verdict
    reason: Reason | None = None
    cancels: tuple[OccurrenceId, ...] = ()
    replaces: tuple[OccurrenceId, ...] = ()


START = Admission(verdict=Verdict.START)
WAIT = Admission(verdict=Verdict.WAIT)


def admit(
    kind: OccurrenceKind, overlap: OverlapPolicy, open_now: Sequence[OpenOccurrence], *, buffer_limit: int
) -> Admission:
    """What becomes of one more occurrence of a schedule, given those not yet ended."""
    if kind is OccurrenceKind.BACKFILL:
        return WAIT if open_now else START
    rivals = [one for one in open_now if one.admitted or one.kind is not OccurrenceKind.BACKFILL]
    if not rivals:
        return START
    if kind is OccurrenceKind.CATCH_UP:
        return WAIT
    if _must_queue(rivals):
        return _buffer(rivals, buffer_limit)
    return _POLICIES[overlap](rivals, buffer_limit)


def next_to_admit(open_now: Sequence[OpenOccurrence]) -> tuple[OpenOccurrence, ...]:
    """Which waiting occurrences may start now: none while one runs; else catch-up, live, backfill, each oldest first."""
    if any(one.admitted for one in open_now):
        return ()
    waiting = sorted(open_now, key=lambda one: (_TURN.get(one.kind, 1), one.fire_at, one.id or 0))
    return tuple(waiting[:1])


_TURN = {OccurrenceKind.CATCH_UP: 0, OccurrenceKind.BACKFILL: 2}


def _must_queue(rivals: Sequence[OpenOccurrence]) -> bool:
    catching_up = any(one.kind is OccurrenceKind.CATCH_UP for one in rivals)
    only_backfill = all(one.kind is OccurrenceKind.BACKFILL for one in rivals)
    return catching_up or only_backfill


def _waiting(rivals: Sequence[OpenOccurrence]) -> list[OpenOccurrence]:
    return [one for one in rivals if not one.admitted and one.kind is not OccurrenceKind.CATCH_UP]


def _buffer(rivals: Sequence[OpenOccurrence], limit: int) -> Admission:
    if len(_waiting(rivals)) >= limit:
        return Admission(verdict=Verdict.SKIP, reason=Reason.BUFFER_FULL)
    return WAIT


def _skip(_rivals: Sequence[OpenOccurrence], _limit: int) -> Admission:
    return Admission(verdict=Verdict.SKIP, reason=Reason.OVERLAP)


def _buffer_one(rivals: Sequence[OpenOccurrence], _limit: int) -> Admission:
    return _buffer(rivals, 1)


def _allow(_rivals: Sequence[OpenOccurrence], _limit: int) -> Admission:
    return START


def _cancel_running(rivals: Sequence[OpenOccurrence], _limit: int) -> Admission:
    return Admission(
        verdict=Verdict.WAIT,
        cancels=tuple(one.id for one in rivals if one.admitted and one.id is not None),
        replaces=tuple(one.id for one in _waiting(rivals) if one.id is not None),
    )


_POLICIES = {
    OverlapPolicy.SKIP: _skip,
    OverlapPolicy.BUFFER_ONE: _buffer_one,
    OverlapPolicy.BUFFER_ALL: _buffer,
    OverlapPolicy.ALLOW: _allow,
    OverlapPolicy.CANCEL_RUNNING: _cancel_running,
}
