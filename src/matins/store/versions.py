"""Which code knows which schedules: application versions, and who of the living runs which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, select, update

from matins.domain.states import ScheduleId, WorkerStatus
from matins.store.engine import Tx
from matins.store.tables import app, app_version, app_version_schedule, job_pool, job_schedule, worker_instance


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSchedule:
    """A schedule as one version of the code words it."""

    schedule_id: ScheduleId
    definition_hash: str
    applies: bool


def lock_app(tx: Tx, name: str) -> None:
    """Take turns with whoever else synchronises this application's definitions."""
    tx.dialect.insert_absent(tx.connection, app, [{"name": name, "synced_at": None}])
    tx.execute(tx.dialect.locked(select(app.c.name).where(app.c.name == name)))
    tx.execute(update(app).where(app.c.name == name).values(synced_at=tx.now))


def find_or_insert(
    tx: Tx, *, app_name: str, environment: str, hash_: str, jobs: Mapping[str, Any], pools: Mapping[str, int]
) -> tuple[int, bool]:
    """The version's id, and whether all its schedules are recorded already. The application must be locked."""
    query = select(app_version.c.id, app_version.c.schedules).where(
        app_version.c.app == app_name, app_version.c.environment == environment, app_version.c.hash == hash_
    )
    found = tx.execute(query).one_or_none()
    if found is None:
        tx.execute(
            insert(app_version).values(
                app=app_name, environment=environment, hash=hash_, jobs=dict(jobs), pools=dict(pools), created_at=tx.now
            )
        )
        found = tx.execute(query).one()
    return found.id, found.schedules is not None


def record_schedules(tx: Tx, version_id: int, known: Sequence[KnownSchedule]) -> None:
    """Record what the version knows; may be repeated."""
    tx.dialect.insert_absent(
        tx.connection,
        app_version_schedule,
        [
            {
                "version_id": version_id,
                "schedule_id": one.schedule_id,
                "definition_hash": one.definition_hash,
                "applies": one.applies,
            }
            for one in known
        ],
    )


def mark_recorded(tx: Tx, version_id: int, count: int) -> None:
    """All schedules of the version are recorded."""
    tx.execute(update(app_version).where(app_version.c.id == version_id).values(schedules=count))


def set_pools(tx: Tx, app_name: str, pools: Mapping[str, int]) -> None:
    """Give the application's pools the sizes that the newest code declares."""
    for name, slots in sorted(pools.items()):
        key = {"app": app_name, "name": name}
        tx.dialect.insert_absent(tx.connection, job_pool, [{**key, "slots": slots}])
        tx.execute(update(job_pool).where(job_pool.c.app == app_name, job_pool.c.name == name).values(slots=slots))


def jobs_of(tx: Tx, version_id: int) -> dict[str, Any]:
    """The jobs that a version declares, as data."""
    found: dict[str, Any] | None = tx.execute(select(app_version.c.jobs).where(app_version.c.id == version_id)).scalar()
    return found or {}


def live_version_ids(tx: Tx, app_name: str) -> set[int]:
    """The versions that live workers of the application run."""
    query = select(worker_instance.c.version_id).where(
        worker_instance.c.app == app_name,
        worker_instance.c.status == WorkerStatus.RUNNING,
        worker_instance.c.lease_until > tx.now,
        worker_instance.c.version_id.is_not(None),
    )
    return {row.version_id for row in tx.execute(query)}


def vanished(tx: Tx, app_name: str, live: set[int], limit: int) -> list[ScheduleId]:
    """Schedules of the application that none of these versions declares and that are not yet set aside."""
    query = (
        select(job_schedule.c.id)
        .where(job_schedule.c.app == app_name, job_schedule.c.removed_at.is_(None), ~_known_to_any(live))
        .order_by(job_schedule.c.id)
        .limit(limit)
    )
    return [row.id for row in tx.execute(query)]


def reassertable(tx: Tx, app_name: str, version_id: int, live: set[int], limit: int) -> list[ScheduleId]:
    """Schedules whose wording in force no live code has, though this version knows them in another."""
    mine = exists().where(
        app_version_schedule.c.version_id == version_id,
        app_version_schedule.c.schedule_id == job_schedule.c.id,
        app_version_schedule.c.definition_hash != job_schedule.c.definition_hash,
    )
    in_force = _known_to_any(live, app_version_schedule.c.definition_hash == job_schedule.c.definition_hash)
    query = select(job_schedule.c.id).where(job_schedule.c.app == app_name, mine, ~in_force).limit(limit)
    return [row.id for row in tx.execute(query)]


def prune(tx: Tx, older_than: timedelta) -> int:
    """Delete versions that no worker on record runs any more."""
    used = exists().where(worker_instance.c.version_id == app_version.c.id)
    changed = tx.execute(app_version.delete().where(~used, app_version.c.created_at < tx.now - older_than))
    return changed.rowcount


def _known_to_any(live: set[int], *also: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether one of these versions knows the schedule; by key for each row, for the reason `schedules.due` has."""
    known = select(func.count()).where(
        app_version_schedule.c.schedule_id == job_schedule.c.id,
        app_version_schedule.c.version_id.in_(sorted(live)),
        *also,
    )
    return known.scalar_subquery() > 0
