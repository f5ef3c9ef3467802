"""The ledger's rows as people are shown them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from matins.domain.states import OccurrenceStatus
from matins.store.engine import Tx
from matins.store.tables import occurrence, outcome_rollup

Row = Any


def one(tx: Tx, id_: int) -> Row | None:
    """One row."""
    return tx.execute(select(occurrence).where(occurrence.c.id == id_)).one_or_none()


def page(
    tx: Tx,
    schedule_id: str,
    *,
    limit: int,
    after: tuple[datetime, int] | None = None,
    statuses: Sequence[str] = (),
) -> list[Row]:
    """A schedule's occurrences, the latest fire first, from behind `after` on."""
    query = (
        select(occurrence)
        .where(occurrence.c.schedule_id == schedule_id)
        .order_by(occurrence.c.fire_at.desc(), occurrence.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        fire_at, id_ = after
        # The first condition is implied by the second, and is the one an index can begin at.
        query = query.where(
            occurrence.c.fire_at <= fire_at,
            or_(occurrence.c.fire_at < fire_at, and_(occurrence.c.fire_at == fire_at, occurrence.c.id < id_)),
        )
    if statuses:
        query = query.where(occurrence.c.status.in_(statuses))
    return tx.rows(query)


def of_fire(tx: Tx, schedule_id: str, fire_at: datetime, until: datetime) -> list[Row]:
    """All rows of a schedule that fire from `fire_at` to before `until`: the planned fire, its retries, requests."""
    query = (
        select(occurrence)
        .where(occurrence.c.schedule_id == schedule_id, occurrence.c.fire_at >= fire_at, occurrence.c.fire_at < until)
        .order_by(occurrence.c.fire_at, occurrence.c.id)
    )
    return tx.rows(query.limit(100))


def planned_from(tx: Tx, schedule_id: str, planned_at: datetime) -> Row | None:
    """The first row of a planned fire at or after an instant: the one that is it or covers it, if any does."""
    query = (
        select(occurrence)
        .where(occurrence.c.schedule_id == schedule_id, occurrence.c.planned_at >= planned_at)
        .order_by(occurrence.c.planned_at)
        .limit(1)
    )
    return tx.execute(query).one_or_none()


def open_at(tx: Tx, schedule_id: str, instant: datetime, but_for: int) -> Row | None:
    """An occurrence that had been admitted and not ended at an instant, the earliest admitted first."""
    query = (
        select(occurrence)
        .where(
            occurrence.c.schedule_id == schedule_id,
            occurrence.c.id != but_for,
            occurrence.c.status != OccurrenceStatus.SKIPPED,
            occurrence.c.created_at <= instant,
            or_(occurrence.c.finished_at.is_(None), occurrence.c.finished_at >= instant),
        )
        .order_by(occurrence.c.id)
        .limit(1)
    )
    return tx.execute(query).one_or_none()


def open_of(tx: Tx, schedule_id: str) -> list[int]:
    """The ids of a schedule's occurrences that have not ended."""
    query = select(occurrence.c.id).where(
        occurrence.c.schedule_id == schedule_id,
        occurrence.c.status.in_((OccurrenceStatus.PENDING, OccurrenceStatus.RUNNING)),
    )
    return [row.id for row in tx.execute(query.order_by(occurrence.c.id))]


def stand_in(tx: Tx, schedule_id: str, planned_at: datetime) -> Row | None:
    """The first later planned fire that was not skipped."""
    query = (
        select(occurrence)
        .where(
            occurrence.c.schedule_id == schedule_id,
            occurrence.c.planned_at > planned_at,
            occurrence.c.status != OccurrenceStatus.SKIPPED,
        )
        .order_by(occurrence.c.planned_at)
        .limit(1)
    )
    return tx.execute(query).one_or_none()


def pruned(tx: Tx, schedule_id: str, day: str) -> list[Row]:
    """What was pruned of a schedule's day: kind, status, reason and count."""
    query = (
        select(outcome_rollup)
        .where(outcome_rollup.c.schedule_id == schedule_id, outcome_rollup.c.day == day)
        .order_by(outcome_rollup.c.kind, outcome_rollup.c.status, outcome_rollup.c.reason)
    )
    return tx.rows(query)


def between(tx: Tx, schedule_id: str, first: datetime, last: datetime) -> list[Row]:
    """What the ledger says of the fire times from `first` to `last`: fire time, planned range and status of each row."""
    begins = func.coalesce(occurrence.c.range_from, occurrence.c.fire_at)
    query = select(occurrence.c.fire_at, occurrence.c.planned_at, occurrence.c.range_from, occurrence.c.status).where(
        occurrence.c.schedule_id == schedule_id, occurrence.c.fire_at >= first, begins <= last
    )
    return tx.rows(query.order_by(occurrence.c.id))


def pruned_around(tx: Tx, schedule_id: str, day: str, planned_at: datetime) -> bool:
    """Whether history was pruned on or after a day, and nothing up to an instant is left: a range's totals lie later."""
    later = select(outcome_rollup.c.day).where(outcome_rollup.c.schedule_id == schedule_id, outcome_rollup.c.day >= day)
    older = select(occurrence.c.id).where(
        occurrence.c.schedule_id == schedule_id, occurrence.c.planned_at <= planned_at
    )
    return tx.execute(later.limit(1)).first() is not None and tx.execute(older.limit(1)).first() is None
