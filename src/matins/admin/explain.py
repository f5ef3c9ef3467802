"""What became of a fire time, and why: of any instant a person asks about, with the evidence.

The ledger has the word: a row that is the fire or covers it. Where there is none, the schedule's state and its trigger
tell why: not a fire, still to come, disabled, before its time, orphaned, quarantined, pruned, or due and not planned.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from matins.admin import definition, explain_recorded, explain_unrecorded, lookup, occurrences, shaping
from matins.admin.definition import DAWN, INSTANT, LATEST
from matins.admin.explained import Explanation, Finding, Moment
from matins.admin.records import OccurrenceRecord
from matins.errors import UsageError
from matins.store import installation, views
from matins.store.engine import Store, Tx

WHOLE_SECOND = timedelta(seconds=1)


def explain(store: Store, schedule_id: str, at: datetime, *, environment: str | None = None) -> Explanation:
    """What became of the fire at `at`: a planned instant, or one with jitter; one in whole seconds names that second.

    Args:
        environment: the one asked from; else those of the daemons that run count.

    Raises:
        NotFoundError: there is no such schedule.
        UsageError: the time is beyond all reason.
    """
    if not DAWN <= at <= LATEST:
        raise UsageError(f"{at.isoformat()} lies outside the years {DAWN.year} to {LATEST.year}.")
    return store.read(lambda tx: _explain(tx, schedule_id, at.astimezone(UTC), environment))


def _explain(tx: Tx, schedule_id: str, at: datetime, environment: str | None) -> Explanation:
    schedule = lookup.schedule_row(tx, schedule_id)
    meant = definition.read(schedule.definition)
    moment = Moment(
        tx=tx,
        schedule=schedule,
        meant=None if isinstance(meant, str) else meant,
        fault=meant if isinstance(meant, str) else None,
        at=at,
        until=at + (INSTANT if at.microsecond else WHOLE_SECOND),
        environment=environment,
        pause=installation.read_pause(tx),
    )
    row = _exact_row(moment)
    planned = row.planned_at if row is not None else _planned(moment)
    if row is None and planned is not None:
        row = _covering_row(moment, planned)
    related = _related(moment, row, planned)
    if row is not None:
        finding = explain_recorded.finding(moment, shaping.occurrence(row, _runs(tx, row)))
    else:
        finding = explain_unrecorded.finding(moment, planned)
    return _put_together(moment, finding, row, planned, related)


def _exact_row(moment: Moment) -> Any:
    """The row of a planned fire that is meant by its planned instant, or else by the time it really fires."""
    tx, id_ = moment.tx, moment.schedule.id
    row = views.occurrences.planned_from(tx, id_, moment.at)
    if row is not None and row.planned_at < moment.until:
        return row
    near = views.occurrences.of_fire(tx, id_, moment.at, moment.until)
    return next((one for one in near if one.planned_at is not None), None)


def _planned(moment: Moment) -> datetime | None:
    """The planned instant that is meant, if the trigger has one there."""
    meant = moment.meant
    if meant is None:
        return None
    for offset in (timedelta(0), meant.offset):
        fire = next(meant.fires_after(moment.at - offset - INSTANT), None)
        if fire is not None and fire + offset < moment.until:
            return fire
    return None


def _covering_row(moment: Moment, planned: datetime) -> Any:
    """The row of a range of fires that this one is among."""
    row = views.occurrences.planned_from(moment.tx, moment.schedule.id, planned)
    covers = row is not None and row.range_from is not None and row.range_from <= planned
    return row if covers and _still_so_defined(moment, row) else None


def _still_so_defined(moment: Moment, row: Any) -> bool:
    """Whether the present trigger has the fires that a range stands for; another one had others in between."""
    if row.created_at > moment.schedule.updated_at or moment.meant is None:
        return True
    return moment.meant.has_all(row.range_from, row.planned_at, row.count)


def _related(moment: Moment, row: Any, planned: datetime | None) -> tuple[OccurrenceRecord, ...]:
    """What else was asked for with that fire time: retries, backfills, runs by hand."""
    fire_at, until = moment.at, moment.until
    if planned is not None:
        exact = row is not None and row.planned_at == planned
        fire_at = row.fire_at if exact else planned + moment.offset
        until = fire_at + INSTANT
    rows = views.occurrences.of_fire(moment.tx, moment.schedule.id, fire_at, until)
    return occurrences.with_runs(moment.tx, [one for one in rows if one.planned_at is None], brief=True)


def _runs(tx: Tx, row: Any) -> list[Any]:
    return views.runs.of_occurrences(tx, [row.id], brief=False)


def _put_together(
    moment: Moment, finding: Finding, row: Any, planned: datetime | None, related: tuple[OccurrenceRecord, ...]
) -> Explanation:
    before, after = _neighbours(moment)
    started = [one for one in related if one.started_at is not None]
    main = None if row is None else shaping.occurrence(row, _runs(moment.tx, row))
    return Explanation(
        schedule_id=moment.schedule.id,
        at=moment.at,
        fate=finding.fate,
        reason=None if main is None else main.reason,
        ran=bool(started) or (main is not None and main.started_at is not None),
        sentence=" ".join([finding.sentence, *map(_told, related)]),
        evidence=finding.evidence,
        planned_at=planned,
        fire_at=_fire_at(moment, row, planned),
        before=before,
        after=after,
        occurrence=main,
        related=related,
        pruned=finding.pruned,
    )


def _fire_at(moment: Moment, row: Any, planned: datetime | None) -> datetime | None:
    if planned is None:
        return None
    found: datetime = row.fire_at if row is not None and row.planned_at == planned else planned + moment.offset
    return found


def _neighbours(moment: Moment) -> tuple[datetime | None, datetime | None]:
    """The fires around the moment, by the present trigger, jitter included."""
    if moment.meant is None:
        return None, None
    base = moment.at - moment.offset
    before = moment.meant.last_before(base)
    after = next(moment.meant.fires_after(moment.until - INSTANT - moment.offset), None)
    return before and before + moment.offset, after and after + moment.offset


def _told(one: OccurrenceRecord) -> str:
    who = f", asked for by {one.triggered_by}" if one.triggered_by else ""
    return f"Occurrence {one.id} ({one.kind}{who}) with that time: {one.status}."
