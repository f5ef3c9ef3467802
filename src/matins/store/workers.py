"""Workers: one row a boot, and the lease in it. See `matins.domain.lease` for the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update

from matins.domain.lease import LeaseTerms
from matins.domain.states import WorkerId, WorkerStatus
from matins.store.engine import Tx
from matins.store.tables import worker_instance


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorker:
    """A worker about to register."""

    id: WorkerId
    worker_type: str
    app: str
    environment: str
    hostname: str
    pid: int
    version: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A lease that was renewed, and what operators asked of the worker meanwhile."""

    at: datetime
    draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueWorker:
    """A worker whose lease is over."""

    id: WorkerId
    hostname: str
    version_id: int | None


def register(tx: Tx, worker: NewWorker, terms: LeaseTerms) -> datetime:
    """Insert the worker's row, its first lease included; answers the database's time."""
    tx.execute(
        insert(worker_instance).values(
            id=worker.id,
            worker_type=worker.worker_type,
            app=worker.app,
            environment=worker.environment,
            hostname=worker.hostname,
            pid=worker.pid,
            version=worker.version,
            concurrency=worker.concurrency,
            status=WorkerStatus.RUNNING,
            started_at=tx.now,
            last_heartbeat_at=tx.now,
            lease_until=terms.expires_at(tx.now),
            lease_for_seconds=terms.timeout_seconds,
        )
    )
    return tx.now


def adopt_version(tx: Tx, worker_id: WorkerId, version_id: int) -> None:
    """Record which code the worker runs."""
    tx.execute(update(worker_instance).where(worker_instance.c.id == worker_id).values(version_id=version_id))


def renew(
    tx: Tx, worker_id: WorkerId, terms: LeaseTerms, *, next_wake_at: datetime | None, running: int
) -> Renewal | None:
    """Move the lease forward. None if the row no longer says RUNNING: others have declared the worker dead."""
    changed = tx.execute(
        update(worker_instance)
        .where(worker_instance.c.id == worker_id, worker_instance.c.status == WorkerStatus.RUNNING)
        .values(
            last_heartbeat_at=tx.now,
            lease_until=terms.expires_at(tx.now),
            next_wake_at=next_wake_at,
            running=running,
        )
    )
    if changed.rowcount != 1:
        return None
    query = select(worker_instance.c.drain_requested_at).where(worker_instance.c.id == worker_id)
    return Renewal(at=tx.now, draining=tx.execute(query).scalar_one() is not None)


def stop(tx: Tx, worker_id: WorkerId, reason: str) -> bool:
    """Say STOPPED; False if others had already declared the worker dead."""
    changed = tx.execute(
        update(worker_instance)
        .where(worker_instance.c.id == worker_id, worker_instance.c.status == WorkerStatus.RUNNING)
        .values(status=WorkerStatus.STOPPED, stopped_at=tx.now, stop_reason=reason, running=0, next_wake_at=None)
    )
    return changed.rowcount == 1


def overdue(tx: Tx, terms: LeaseTerms) -> list[OverdueWorker]:
    """Workers that say RUNNING but whose lease is over by more than the margin."""
    rows = tx.rows(
        select(worker_instance.c.id, worker_instance.c.hostname, worker_instance.c.version_id).where(
            worker_instance.c.status == WorkerStatus.RUNNING,
            worker_instance.c.lease_until < terms.over_before(tx.now),
        )
    )
    return [OverdueWorker(id=row.id, hostname=row.hostname, version_id=row.version_id) for row in rows]


def declare_dead(tx: Tx, worker_id: WorkerId, terms: LeaseTerms) -> bool:
    """Say DEAD, if its lease is still over; from then on the worker itself can renew nothing."""
    changed = tx.execute(
        update(worker_instance)
        .where(
            worker_instance.c.id == worker_id,
            worker_instance.c.status == WorkerStatus.RUNNING,
            worker_instance.c.lease_until < terms.over_before(tx.now),
        )
        .values(status=WorkerStatus.DEAD, stopped_at=tx.now, stop_reason="its lease ran out", running=0)
    )
    return changed.rowcount == 1


def prune(tx: Tx, older_than: timedelta) -> int:
    """Delete rows of workers that ended so long ago."""
    changed = tx.execute(
        worker_instance.delete().where(
            worker_instance.c.status != WorkerStatus.RUNNING, worker_instance.c.stopped_at < tx.now - older_than
        )
    )
    return changed.rowcount


def earliest_lease_end(tx: Tx, but_for: WorkerId) -> datetime | None:
    """When the first lease of another worker ends unless it is renewed."""
    query = select(func.min(worker_instance.c.lease_until)).where(
        worker_instance.c.status == WorkerStatus.RUNNING, worker_instance.c.id != but_for
    )
    found: datetime | None = tx.execute(query).scalar_one()
    return found
