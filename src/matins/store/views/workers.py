"""Workers' rows as people are shown them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from matins.domain.states import WorkerStatus
from matins.store.engine import Tx
from matins.store.tables import worker_instance

Row = Any


def shown(tx: Tx, ended_since: datetime, limit: int) -> list[Row]:
    """Workers that run, and those that ended lately; the freshest heartbeat first, those that run before all others."""
    query = (
        select(worker_instance)
        .where(
            or_(
                worker_instance.c.status == WorkerStatus.RUNNING,
                worker_instance.c.last_heartbeat_at >= ended_since,
            )
        )
        .order_by(
            (worker_instance.c.status != WorkerStatus.RUNNING),
            worker_instance.c.last_heartbeat_at.desc(),
            worker_instance.c.id,
        )
        .limit(limit)
    )
    return tx.rows(query)


def one(tx: Tx, id_: str, *, lock: bool = False) -> Row | None:
    """One row."""
    query = select(worker_instance).where(worker_instance.c.id == id_)
    return tx.execute(tx.dialect.locked(query) if lock else query).one_or_none()


def ids(tx: Tx) -> list[str]:
    """The ids on record, the newest first."""
    query = select(worker_instance.c.id).order_by(worker_instance.c.started_at.desc()).limit(1000)
    return [row.id for row in tx.execute(query)]


def present_at(tx: Tx, app: str, instant: datetime) -> Row | None:
    """A worker of the application that had started and was still renewing its lease at an instant."""
    query = (
        select(worker_instance)
        .where(
            worker_instance.c.app == app,
            worker_instance.c.started_at <= instant,
            worker_instance.c.last_heartbeat_at >= instant,
        )
        .limit(1)
    )
    return tx.execute(query).one_or_none()


def last_sign_before(tx: Tx, app: str, instant: datetime) -> datetime | None:
    """The last heartbeat of any worker of the application before an instant."""
    query = select(func.max(worker_instance.c.last_heartbeat_at)).where(
        worker_instance.c.app == app, worker_instance.c.last_heartbeat_at <= instant
    )
    found: datetime | None = tx.execute(query).scalar_one()
    return found


def next_start_after(tx: Tx, app: str, instant: datetime) -> datetime | None:
    """When the first worker of the application started after an instant."""
    query = select(func.min(worker_instance.c.started_at)).where(
        worker_instance.c.app == app, worker_instance.c.started_at > instant
    )
    found: datetime | None = tx.execute(query).scalar_one()
    return found


def live(tx: Tx, app: str | None = None) -> list[Row]:
    """Workers whose lease holds."""
    query = select(worker_instance).where(
        worker_instance.c.status == WorkerStatus.RUNNING, worker_instance.c.lease_until > tx.now
    )
    if app is not None:
        query = query.where(worker_instance.c.app == app)
    return tx.rows(query.order_by(worker_instance.c.started_at))
