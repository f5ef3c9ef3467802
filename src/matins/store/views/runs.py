"""Runs' rows as people are shown them. Lists leave out what may be megabytes: results and tracebacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from matins.store.engine import Tx
from matins.store.tables import job_run

Row = Any

_BRIEF = [column for column in job_run.c if column.name not in ("result", "error_traceback", "claim_token")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; None is any."""

    schedule_id: str | None = None
    job: str | None = None
    statuses: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


def one(tx: Tx, id_: int) -> Row | None:
    """One row, whole."""
    return tx.execute(select(job_run).where(job_run.c.id == id_)).one_or_none()


def page(tx: Tx, wanted: RunFilter, *, limit: int, after: int | None = None) -> list[Row]:
    """Runs, the newest first, from behind the id `after` on."""
    query = select(*_BRIEF).order_by(job_run.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(job_run.c.id < after)
    if wanted.schedule_id is not None:
        query = query.where(job_run.c.schedule_id == wanted.schedule_id)
    if wanted.job is not None:
        query = query.where(job_run.c.job == wanted.job)
    if wanted.statuses:
        query = query.where(job_run.c.status.in_(wanted.statuses))
    if wanted.since is not None:
        query = query.where(job_run.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(job_run.c.created_at < wanted.until)
    return tx.rows(query)


def of_occurrences(tx: Tx, ids: Sequence[int], *, brief: bool) -> list[Row]:
    """The runs of these occurrences, in the order they were added."""
    if not ids:
        return []
    query = select(*_BRIEF) if brief else select(job_run)
    query = query.where(tx.dialect.is_one_of(job_run.c.occurrence_id, list(ids)))
    return tx.rows(query.order_by(job_run.c.id))


def last_of_job(tx: Tx, app: str, job: str) -> Row | None:
    """The newest run of a job."""
    query = select(*_BRIEF).where(job_run.c.job == job, job_run.c.app == app).order_by(job_run.c.id.desc()).limit(1)
    return tx.execute(query).one_or_none()
