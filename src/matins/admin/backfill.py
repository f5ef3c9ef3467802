"""Run past fire times once more, or for the first time: one at a time, giving way to live fires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any

from matins.admin import audit, lookup
from matins.admin.actor import Actor, checked_reason
from matins.admin.definition import INSTANT, Definition
from matins.admin.requests import jobs_of, runnable
from matins.domain.states import OccurrenceKind, OccurrenceStatus, ScheduleId
from matins.errors import ConflictError, UsageError
from matins.ledger.requests import Request, for_schedule, place_requests
from matins.store import views
from matins.store.engine import Store, Tx

MOST = 1000
"""Fire times that one request may run."""
_TAKEN_CARE_OF = {OccurrenceStatus.PENDING: 1, OccurrenceStatus.RUNNING: 2, OccurrenceStatus.SUCCEEDED: 3}
"""Statuses that leave nothing to make up, the best last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillFire:
    """One fire time of the range: what the ledger says of it so far, and the occurrence that now runs it."""

    fire_at: datetime
    planned_at: datetime
    recorded: str | None
    """The best status that any occurrence of that fire time has, made up ones included; None where there is none."""
    occurrence_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The fire times of the range, oldest first; with `dry_run` nothing was recorded."""

    schedule_id: str
    dry_run: bool
    fires: tuple[BackfillFire, ...]


def backfill(
    store: Store,
    actor: Actor,
    schedule_id: str,
    start: datetime,
    end: datetime,
    *,
    reason: str | None = None,
    dry_run: bool = False,
    only_missing: bool = False,
    environment: str | None = None,
) -> Backfill:
    """Run the schedule for each of its past fire times from `start` to `end`, both included.

    Args:
        only_missing: leave out fire times that have succeeded, or are about to run.

    Raises:
        NotFoundError: there is no such schedule.
        UsageError: the range is reversed, reaches into the future, or holds more than `MOST` fires.
        ConflictError: the schedule cannot run, or its past fire times are not known.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> Backfill:
        row = lookup.schedule_row(tx, schedule_id, lock=not dry_run)
        meant = runnable(row, environment)
        _check_range(start, end, tx.now)
        fires = _with_records(tx, row.id, _fires(meant, start, end), meant)
        if only_missing:
            fires = [one for one in fires if one.recorded not in _TAKEN_CARE_OF]
        if not dry_run and fires:
            fires = _place(tx, row, meant, fires, actor, why)
            after = {
                "from": start.isoformat(),
                "to": end.isoformat(),
                "occurrences": [one.occurrence_id for one in fires],
            }
            audit.note(tx, actor, "backfill", row.id, reason=why, after=after)
        return Backfill(schedule_id=row.id, dry_run=dry_run, fires=tuple(fires))

    return store.read(work) if dry_run else store.write(work)


def _check_range(start: datetime, end: datetime, now: datetime) -> None:
    if start > end:
        raise UsageError(f"The range ends at {_shown(end)}, before it begins at {_shown(start)}.")
    if end > now:
        raise UsageError(
            f"The range ends at {_shown(end)}, which is still to come.", remedy="A backfill is for past fire times."
        )


def _fires(meant: Definition, start: datetime, end: datetime) -> list[datetime]:
    """The planned instants whose fire times lie in the range."""
    if (unknown := meant.known_since) is not None and start < unknown:
        raise ConflictError(
            f"The fires of {meant.trigger.describe()} are only known from {_shown(unknown)} on.",
            remedy="Trigger the schedule by hand, with arguments that name the time.",
        )
    after = start - meant.offset - INSTANT
    found = list(islice(takewhile(lambda fire: fire <= end - meant.offset, meant.fires_after(after)), MOST + 1))
    if len(found) > MOST:
        raise UsageError(
            f"The range holds more than {MOST} fires; the first {MOST} end at {_shown(found[MOST - 1])}.",
            remedy="Ask for it in several pieces.",
        )
    return found


def _with_records(tx: Tx, id_: str, planned: list[datetime], meant: Definition) -> list[BackfillFire]:
    if not planned:
        return []
    rows = views.occurrences.between(tx, id_, planned[0] + meant.offset, planned[-1] + meant.offset)
    best: dict[datetime, str] = {}
    for row in sorted(rows, key=lambda row: _TAKEN_CARE_OF.get(row.status, 0)):
        best[row.fire_at] = row.status
    ranges = [row for row in rows if row.range_from is not None]
    return [
        BackfillFire(
            fire_at=fire + meant.offset,
            planned_at=fire,
            recorded=best.get(fire + meant.offset) or _in_range(ranges, fire),
            occurrence_id=None,
        )
        for fire in planned
    ]


def _in_range(ranges: list[Any], planned: datetime) -> str | None:
    return next((row.status for row in ranges if row.range_from <= planned <= row.planned_at), None)


def _place(
    tx: Tx, row: Any, meant: Definition, fires: list[BackfillFire], actor: Actor, reason: str | None
) -> list[BackfillFire]:
    requests = [
        for_schedule(
            meant.declared,
            Request(
                schedule_id=ScheduleId(row.id),
                app=row.app,
                kind=OccurrenceKind.BACKFILL,
                fire_at=one.fire_at,
                actor=actor.name,
                reason=reason,
            ),
            None,
        )
        for one in fires
    ]
    answers = place_requests(tx, requests, jobs_of(tx, row.app))
    return [
        BackfillFire(
            fire_at=one.fire_at, planned_at=one.planned_at, recorded=one.recorded, occurrence_id=answer.occurrence_id
        )
        for one, answer in zip(fires, answers, strict=True)
    ]


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
