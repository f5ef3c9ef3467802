"""Planning: which ledger rows a moment owes, and how far the schedule is then accounted for. Pure.

Two steps, so that counting a long absence needs no lock: `find_due` computes the fires between the watermark and now;
`plan` decides, under the schedule's row lock, what becomes of each, given the occurrences not yet ended. The watermark
a plan returns is the last fire it passed, and its rows account for every fire passed: the sum of their counts is the
number of fires. The same functions serve the daemon, `next`, `explain`, `plan` and the simulator.

*Late or missed.* A fire planned at most `grace` after its time is on time; when several are due only the newest can
be. The others are missed and the missed policy decides: `skip` records them; `run_once` lets the newest due fire stand
for all (as itself if it is on time, else as a catch-up); `run_all` makes each up, oldest first, as far back as
`catch_up_window`, at most `catch_up_limit` waiting at a time, the rest being recorded with a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from matins.domain.admission import OpenOccurrence, Verdict, admit
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import MissedPolicy, OccurrenceId, OccurrenceKind, Reason
from matins.domain.triggers import Count, Trigger, count_between

LISTED = 200
"""Up to so many due fires are listed one by one; more are first counted, a chunk a turn."""
CHUNK = 5000
"""How many fires are counted in one turn."""
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRange:
    """A run of planned instants of which only number, first and last matter."""

    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFires:
    """What is due: an older part that is only counted, then single instants; `more` if a later turn must go on."""

    after: datetime
    counted: FireRange | None = None
    listed: tuple[datetime, ...] = ()
    more: bool = False

    @property
    def through(self) -> datetime:
        """The last instant covered; the watermark if these fires are accounted for."""
        if self.listed:
            return self.listed[-1]
        return self.counted.last if self.counted else self.after

    def __bool__(self) -> bool:
        return bool(self.listed) or self.counted is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """An occurrence to insert: one fire, or several of one fate with a count and a range."""

    kind: OccurrenceKind
    planned_at: datetime
    fire_at: datetime
    range_from: datetime | None = None
    count: int = 1
    reason: Reason | None = None
    """Why it is skipped; None for one that will run."""
    admitted: bool = False

    @property
    def skipped(self) -> bool:
        """Whether this row records fires that will not run."""
        return self.reason is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one schedule's planning writes: rows, the new watermark, and whom a newer fire asks to stop or replaces."""

    rows: tuple[PlannedRow, ...]
    planned_through: datetime
    cancels: tuple[OccurrenceId, ...] = ()
    replaces: tuple[OccurrenceId, ...] = ()


def next_run(trigger: Trigger, definition: ScheduleDefinition, planned_through: datetime) -> datetime | None:
    """When the schedule fires next, jitter included; None for never."""
    following = trigger.next_after(planned_through)
    try:
        return None if following is None else following + definition.jitter_offset
    except OverflowError:
        return None


def find_due(trigger: Trigger, definition: ScheduleDefinition, planned_through: datetime, now: datetime) -> DueFires:
    """The fires after the watermark whose time, jitter included, has come."""
    until = now - definition.jitter_offset
    listed = _list_until(trigger, planned_through, until, LISTED + 1)
    if len(listed) <= LISTED:
        return DueFires(after=planned_through, listed=tuple(listed))
    counted = _count_hopeless(trigger, definition, planned_through, until)
    if counted is not None:
        return DueFires(after=planned_through, counted=counted, more=True)
    return DueFires(after=planned_through, listed=tuple(listed[:LISTED]), more=True)


def plan(definition: ScheduleDefinition, due: DueFires, open_now: Sequence[OpenOccurrence], now: datetime) -> Plan:
    """What becomes of the due fires. `due` must start at the schedule's present watermark."""
    rows: list[PlannedRow] = []
    if due.counted:
        rows.append(_skipped_range(definition, due.counted, _counted_reason(definition, due.counted, now)))
    candidates = _sort_out(definition, due, now)
    placed = _place(definition, candidates, open_now)
    rows.extend(placed.rows)
    return Plan(
        rows=tuple(_merged(rows)), planned_through=due.through, cancels=placed.cancels, replaces=placed.replaces
    )


def account_for_skipped(
    trigger: Trigger,
    definition: ScheduleDefinition,
    planned_through: datetime,
    until: datetime,
    reason: Reason,
) -> Plan:
    """One row for all fires up to an instant that must not run, whatever the missed policy says.

    At most `CHUNK` fires are counted; the caller goes on from the returned watermark while it is before the last fire.
    """
    upper = until - definition.jitter_offset
    found = count_between(trigger, planned_through, upper, CHUNK)
    if not found.count:
        return Plan(rows=(), planned_through=max(planned_through, upper))
    row = _skipped_range(definition, FireRange(count=found.count, first=found.first, last=found.last), reason)
    return Plan(rows=(row,), planned_through=upper if found.complete else found.last)


def _list_until(trigger: Trigger, after: datetime, until: datetime, limit: int) -> list[datetime]:
    fires: list[datetime] = []
    at = trigger.next_after(after)
    while at is not None and at <= until and len(fires) < limit:
        fires.append(at)
        at = trigger.next_after(at)
    return fires


def _count_hopeless(
    trigger: Trigger, definition: ScheduleDefinition, planned_through: datetime, until: datetime
) -> FireRange | None:
    """The oldest due fires that cannot lead to a run, all for one reason; None where there are none."""
    late = _longer_ago(until, definition.grace_seconds)
    if definition.missed is MissedPolicy.SKIP:
        return _range_of(count_between(trigger, planned_through, late, CHUNK))
    lost = min(late, _longer_ago(until, definition.catch_up_window_seconds))
    too_old = _range_of(count_between(trigger, planned_through, lost, CHUNK))
    if too_old is not None or definition.missed is MissedPolicy.RUN_ALL or lost == late:
        return too_old
    found = count_between(trigger, planned_through, late, CHUNK)
    following = trigger.next_after(found.last) if found.complete else None
    if found.count and found.complete and (following is None or following > until):
        # The newest due fire stands for all: it must be left to run.
        found = count_between(trigger, planned_through, found.last - timedelta.resolution, CHUNK)
    return _range_of(found)


def _range_of(found: Count) -> FireRange | None:
    return FireRange(count=found.count, first=found.first, last=found.last) if found.count else None


def _counted_reason(definition: ScheduleDefinition, fires: FireRange, now: datetime) -> Reason:
    if definition.missed is MissedPolicy.SKIP:
        return Reason.MISSED
    too_old = fires.last <= _longer_ago(now - definition.jitter_offset, definition.catch_up_window_seconds)
    coalesced = definition.missed is MissedPolicy.RUN_ONCE and not too_old
    return Reason.COALESCED if coalesced else Reason.CATCH_UP_LIMIT


def _longer_ago(instant: datetime, seconds: float) -> datetime:
    """The latest moment that lies more than so many seconds back; the beginning of time if there is none."""
    try:
        return instant - timedelta(seconds=seconds) - timedelta.resolution
    except OverflowError:
        return BEGINNING


def _sort_out(
    definition: ScheduleDefinition, due: DueFires, now: datetime
) -> list[tuple[datetime, OccurrenceKind, Reason | None]]:
    """Each listed fire with the kind it would run as, or the reason it will not."""
    if not due.listed:
        return []
    *older, newest = due.listed
    until = now - definition.jitter_offset
    fates = [(fire, *_missed_fate(definition, fire, until, newest=False)) for fire in older]
    if not due.more and newest > _longer_ago(until, definition.grace_seconds):
        fates.append((newest, OccurrenceKind.SCHEDULED, None))
    else:
        fates.append((newest, *_missed_fate(definition, newest, until, newest=not due.more)))
    return fates


def _missed_fate(
    definition: ScheduleDefinition, fire: datetime, until: datetime, *, newest: bool
) -> tuple[OccurrenceKind, Reason | None]:
    if definition.missed is MissedPolicy.SKIP:
        return OccurrenceKind.SCHEDULED, Reason.MISSED
    if fire <= _longer_ago(until, definition.catch_up_window_seconds):
        return OccurrenceKind.SCHEDULED, Reason.CATCH_UP_LIMIT
    if definition.missed is MissedPolicy.RUN_ONCE and not newest:
        return OccurrenceKind.SCHEDULED, Reason.COALESCED
    return OccurrenceKind.CATCH_UP, None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    rows: tuple[PlannedRow, ...]
    cancels: tuple[OccurrenceId, ...]
    replaces: tuple[OccurrenceId, ...]


def _place(
    definition: ScheduleDefinition,
    candidates: Sequence[tuple[datetime, OccurrenceKind, Reason | None]],
    open_now: Sequence[OpenOccurrence],
) -> _Placed:
    """Admit each fire that may run, in order, each seeing those placed before it."""
    standing = list(open_now)
    rows: list[PlannedRow] = []
    cancels: dict[OccurrenceId, None] = {}
    replaces: dict[OccurrenceId, None] = {}
    for fire, kind, reason in candidates:
        row = PlannedRow(kind=kind, planned_at=fire, fire_at=fire + definition.jitter_offset, reason=reason)
        if reason is None and kind is OccurrenceKind.CATCH_UP and _catching_up(standing) >= definition.catch_up_limit:
            row = replace(row, kind=OccurrenceKind.SCHEDULED, reason=Reason.CATCH_UP_LIMIT)
        if not row.skipped:
            verdict = admit(kind, definition.overlap, standing, buffer_limit=definition.buffer_limit)
            row = replace(row, reason=verdict.reason, admitted=verdict.verdict is Verdict.START)
            cancels |= dict.fromkeys(verdict.cancels)
            replaces |= dict.fromkeys(verdict.replaces)
            standing = [one for one in standing if one.id not in replaces]
        if not row.skipped:
            standing.append(OpenOccurrence(id=None, kind=kind, admitted=row.admitted, fire_at=row.fire_at))
        rows.append(row)
    return _Placed(rows=tuple(rows), cancels=tuple(cancels), replaces=tuple(replaces))


def _catching_up(standing: Sequence[OpenOccurrence]) -> int:
    return sum(one.kind is OccurrenceKind.CATCH_UP for one in standing)


def _skipped_range(definition: ScheduleDefinition, fires: FireRange, reason: Reason) -> PlannedRow:
    return PlannedRow(
        kind=OccurrenceKind.SCHEDULED,
        planned_at=fires.last,
        fire_at=fires.last + definition.jitter_offset,
        range_from=fires.first if fires.count > 1 else None,
        count=fires.count,
        reason=reason,
    )


def _merged(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """Neighbouring skips of one reason as one row with a count and a range."""
    merged: list[PlannedRow] = []
    for row in rows:
        before = merged[-1] if merged else None
        if before is not None and row.skipped and before.reason is row.reason:
            first = before.range_from or before.planned_at
            merged[-1] = replace(row, kind=before.kind, range_from=first, count=before.count + row.count)
        else:
            merged.append(row)
    return merged
