"""Schedules' rows as people are shown them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from matins.store.engine import Tx
from matins.store.tables import app_version_schedule, job_schedule

Row = Any

MOST_IDS = 20_000
"""From so many ids a near miss is looked for."""


def every(tx: Tx, *, enabled: bool | None = None, app: str | None = None) -> list[Row]:
    """All rows, by id."""
    query = select(job_schedule).order_by(job_schedule.c.id)
    if enabled is not None:
        query = query.where(job_schedule.c.enabled.is_(enabled))
    if app is not None:
        query = query.where(job_schedule.c.app == app)
    return tx.rows(query)


def one(tx: Tx, id_: str, *, lock: bool = False) -> Row | None:
    """One row; `lock` keeps it from others until the transaction ends."""
    query = select(job_schedule).where(job_schedule.c.id == id_)
    return tx.execute(tx.dialect.locked(query) if lock else query).one_or_none()


def ids(tx: Tx) -> list[str]:
    """The ids there are."""
    return [row.id for row in tx.execute(select(job_schedule.c.id).order_by(job_schedule.c.id).limit(MOST_IDS))]


def firing(tx: Tx, *, until: datetime, after: datetime | None = None, limit: int | None = None) -> list[Row]:
    """Those that fire by themselves, whose next run is later than `after` and not later than `until`, earliest first."""
    query = (
        select(job_schedule)
        .where(
            job_schedule.c.enabled,
            job_schedule.c.next_run_at <= until,
            job_schedule.c.removed_at.is_(None),
            job_schedule.c.quarantined_at.is_(None),
        )
        .order_by(job_schedule.c.next_run_at, job_schedule.c.id)
    )
    if after is not None:
        query = query.where(job_schedule.c.next_run_at > after)
    return tx.rows(query if limit is None else query.limit(limit))


def late_since(tx: Tx, before: datetime, version_ids: Iterable[int], limit: int) -> list[Row]:
    """Enabled schedules that these versions of the code plan and whose next run should have been before this instant."""
    planned = (
        select(app_version_schedule.c.schedule_id)
        .where(app_version_schedule.c.version_id.in_(sorted(version_ids)), app_version_schedule.c.applies)
        .distinct()
    )
    query = (
        select(job_schedule)
        .where(
            job_schedule.c.enabled,
            job_schedule.c.next_run_at < before,
            job_schedule.c.removed_at.is_(None),
            job_schedule.c.quarantined_at.is_(None),
            job_schedule.c.id.in_(planned),
        )
        .order_by(job_schedule.c.next_run_at, job_schedule.c.id)
        .limit(limit)
    )
    return tx.rows(query)
