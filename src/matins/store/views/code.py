"""What the code declares, as the database has it: the jobs of the versions that run now, else of the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from matins.domain.states import WorkerStatus
from matins.store.engine import Tx
from matins.store.tables import app_version, app_version_schedule, worker_instance


def apps(tx: Tx) -> list[str]:
    """The applications that share the database."""
    return [row.app for row in tx.execute(select(app_version.c.app).distinct().order_by(app_version.c.app))]


def jobs(tx: Tx, app: str) -> dict[str, dict[str, Any]]:
    """An application's jobs by name, as data; where living versions differ, the newest has the word."""
    ids = live_version_ids(tx, app) or _newest(tx, app)
    found: dict[str, dict[str, Any]] = {}
    query = select(app_version.c.jobs).where(app_version.c.id.in_(ids)).order_by(app_version.c.id)
    for row in tx.execute(query):
        found |= row.jobs or {}
    return found


def live_version_ids(tx: Tx, app: str | None = None) -> list[int]:
    """The versions that workers with a lease run."""
    query = select(worker_instance.c.version_id).where(
        worker_instance.c.status == WorkerStatus.RUNNING,
        worker_instance.c.lease_until > tx.now,
        worker_instance.c.version_id.is_not(None),
    )
    if app is not None:
        query = query.where(worker_instance.c.app == app)
    return sorted({row.version_id for row in tx.execute(query)})


def wordings(tx: Tx, schedule_id: str, version_ids: Sequence[int]) -> list[Any]:
    """How these versions know a schedule: the hash of its definition, and whether their environment plans it."""
    query = select(app_version_schedule).where(
        app_version_schedule.c.schedule_id == schedule_id, app_version_schedule.c.version_id.in_(version_ids)
    )
    return tx.rows(query)


def _newest(tx: Tx, app: str) -> list[int]:
    query = select(app_version.c.id).where(app_version.c.app == app).order_by(app_version.c.id.desc()).limit(1)
    return [row.id for row in tx.execute(query)]
