"""Schedules as the planner and the synchroniser read and write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, and_, func, select, type_coerce, update

from matins.domain.states import ScheduleId
from matins.store.engine import Tx
from matins.store.tables import app_version_schedule, job_schedule

FAR = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
"""A next run beyond this, or before `LONG_AGO`, cannot be right."""
LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class PlannableSchedule:
    """What planning reads of a row: the watermark, which definition is in force, and what operators did."""

    id: ScheduleId
    app: str
    definition_hash: str
    enabled: bool
    planned_through: datetime | None
    disabled_since: datetime | None
    enabled_changed_at: datetime | None
    last_success_at: datetime | None
    locked_at: datetime | None
    locked_by: str | None

    @property
    def state(self) -> tuple[object, ...]:
        """What must be unchanged for a plan made before the row was locked to be written after."""
        switched = (self.enabled, self.enabled_changed_at, self.disabled_since)
        return (self.definition_hash, self.planned_through, *switched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a schedule is accounted for, and when it fires next."""

    id: ScheduleId
    planned_through: datetime
    next_run_at: datetime | None
    never_fires: bool
    disabled_since: datetime | None = None


READ_COLUMNS = tuple(job_schedule.c[name] for name in PlannableSchedule.__dataclass_fields__)
"""What `plannable` takes, in its order."""
_READ = select(*READ_COLUMNS)


def due(tx: Tx, version_id: int, limit: int) -> list[PlannableSchedule]:
    """Enabled schedules that this code knows in the wording in force and whose next run has come, earliest first."""
    query = _known_to(version_id, _READ).where(job_schedule.c.enabled, job_schedule.c.next_run_at <= tx.now)
    return _plannable(tx, query.order_by(job_schedule.c.next_run_at, job_schedule.c.id).limit(limit))


def next_due_at(tx: Tx, version_id: int) -> datetime | None:
    """The earliest next run among those this code plans."""
    query = _known_to(version_id, select(job_schedule.c.next_run_at)).where(
        job_schedule.c.enabled, job_schedule.c.next_run_at.is_not(None), job_schedule.c.next_run_at < FAR
    )
    found: datetime | None = tx.execute(query.order_by(job_schedule.c.next_run_at).limit(1)).scalar()
    return found


def lock_for_planning(tx: Tx, ids: Iterable[ScheduleId]) -> dict[ScheduleId, PlannableSchedule]:
    """Lock those of these rows that nobody else holds."""
    query = _READ.where(tx.dialect.is_one_of(job_schedule.c.id, sorted(ids))).order_by(job_schedule.c.id)
    return {row.id: row for row in _plannable(tx, tx.dialect.locked(query, skip=True))}


def definitions(tx: Tx, ids: Sequence[ScheduleId]) -> dict[ScheduleId, dict[str, Any] | None]:
    """The snapshots of these schedules' definitions; None where the row's text cannot be read."""
    query = select(job_schedule.c.id, job_schedule.c.definition).where(
        tx.dialect.is_one_of(job_schedule.c.id, list(ids))
    )
    return {row.id: row.definition for row in tx.execute(query)}


def write_watermarks(
    tx: Tx, marks: Sequence[Watermark], also: Mapping[ScheduleId, Mapping[str, Any]] | None = None
) -> None:
    """Move watermarks; only in the transaction that writes the rows for everything they pass.

    Args:
        also: further columns to set with some of them; the same ones for each.
    """
    further = also or {}
    rows = [{name: getattr(mark, name) for name in Watermark.__dataclass_fields__} for mark in marks]
    plain = [row for row in rows if row["id"] not in further]
    tx.dialect.update_many(tx.connection, job_schedule, ["id"], plain)
    wider = [{**row, **further[row["id"]]} for row in rows if row["id"] in further]
    tx.dialect.update_many(tx.connection, job_schedule, ["id"], wider)


def quarantine(tx: Tx, id_: ScheduleId, reason: str) -> None:
    """Set a schedule aside, visibly, so that it cannot hold up the others."""
    tx.execute(
        update(job_schedule)
        .where(job_schedule.c.id == id_)
        .values(quarantined_at=tx.now, quarantine_reason=reason, next_run_at=None)
    )


def absurd(tx: Tx, version_id: int, limit: int) -> list[PlannableSchedule]:
    """Enabled schedules of this code whose next run is missing or cannot be right."""
    wrong = and_(job_schedule.c.next_run_at.is_(None), job_schedule.c.never_fires.is_(False))
    wrong |= job_schedule.c.next_run_at >= FAR
    wrong |= job_schedule.c.next_run_at < LONG_AGO
    wrong |= job_schedule.c.next_run_at < job_schedule.c.planned_through
    wrong |= tx.dialect.unreadable(job_schedule.c.next_run_at)
    return _plannable(tx, _known_to(version_id, _READ).where(job_schedule.c.enabled, wrong).limit(limit))


def count_enabled(tx: Tx, app: str) -> int:
    """How many schedules of the application are enabled."""
    query = select(func.count()).select_from(job_schedule).where(job_schedule.c.app == app, job_schedule.c.enabled)
    found: int = tx.execute(query).scalar_one()
    return found


def earliest_own_watermark(tx: Tx) -> datetime | None:
    """How far back the fires of users' own triggers are not accounted for yet."""
    found: datetime | None = tx.execute(
        select(func.min(job_schedule.c.planned_through)).where(
            job_schedule.c.enabled,
            job_schedule.c.removed_at.is_(None),
            type_coerce(job_schedule.c.definition, Text).like('%"kind":"custom"%'),
        )
    ).scalar_one()
    return found


def _known_to(version_id: int, query: Select[Any]) -> Select[Any]:
    """Only schedules in force in this version's wording.

    A scalar subquery and not a join: it is one look-up by key a row on every database, whatever the planner believes of
    tables that have just been filled.
    """
    known = (
        select(app_version_schedule.c.definition_hash)
        .where(
            app_version_schedule.c.version_id == version_id,
            app_version_schedule.c.schedule_id == job_schedule.c.id,
            app_version_schedule.c.applies,
        )
        .scalar_subquery()
    )
    return query.where(
        job_schedule.c.definition_hash == known,
        job_schedule.c.quarantined_at.is_(None),
        job_schedule.c.removed_at.is_(None),
    )


def _plannable(tx: Tx, query: Select[Any]) -> list[PlannableSchedule]:
    return [plannable(*row) for row in tx.rows(query)]


def plannable(
    id_: ScheduleId, app: str, definition_hash: str, enabled: bool, planned_through: datetime | None, *switched: Any
) -> PlannableSchedule:
    """A row as it was read, but for a watermark that cannot be right: None, so that it is planned from now on."""
    if planned_through is not None and not LONG_AGO <= planned_through < FAR:
        planned_through = None
    return PlannableSchedule(id_, app, definition_hash, enabled, planned_through, *switched)
