"""Recovering what dead workers held, and ending what waited too long.

Nothing is recovered because time has passed: a run is lost when its worker's lease is over. Completion and recovery
race on the same row by compare-and-set, so exactly one of them wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select

from matins.domain.states import Reason, RunId, RunStatus, WorkerId, WorkerStatus
from matins.ledger.rows import LockedRows
from matins.ledger.runs import Jobs
from matins.ledger.settle import Finish, Settlement, settle
from matins.store.engine import Tx
from matins.store.tables import app_version, job_run, occurrence, worker_instance

BATCH = 200


def held_by_the_dead(tx: Tx, limit: int = BATCH) -> list[Finish]:
    """Runs that a worker which is no longer RUNNING still seems to hold, as finishes that end them as lost."""
    alive = exists().where(
        worker_instance.c.id == job_run.c.worker_id, worker_instance.c.status == WorkerStatus.RUNNING
    )
    query = _running().where(~alive).order_by(job_run.c.id).limit(limit)
    return [_lost(row) for row in tx.execute(query)]


def held_in_name_only(tx: Tx, worker_id: WorkerId, held: set[RunId]) -> list[Finish]:
    """Runs under this worker's id that it does not hold: a claim whose commit it never learnt of."""
    query = _running().where(job_run.c.worker_id == worker_id)
    return [_lost(row) for row in tx.execute(query) if row.id not in held]


def expired(tx: Tx, limit: int = BATCH) -> list[Finish]:
    """Pending runs of occurrences that waited for their start longer than their schedule allows."""
    not_started = exists().where(occurrence.c.id == job_run.c.occurrence_id, occurrence.c.started_at.is_(None))
    query = (
        _columns()
        .where(job_run.c.status == RunStatus.PENDING, job_run.c.start_by <= tx.now, not_started)
        .order_by(job_run.c.id)
        .limit(limit)
    )
    return [_skip(row, Reason.START_WITHIN) for row in tx.execute(tx.dialect.locked(query, skip=True))]


def next_expiry(tx: Tx) -> datetime | None:
    """When the next run that waits for its start has waited too long, whether its occurrence has begun or not."""
    query = select(func.min(job_run.c.start_by)).where(
        job_run.c.status == RunStatus.PENDING, job_run.c.start_by > tx.now
    )
    found: datetime | None = tx.execute(query).scalar_one()
    return found


def unrunnable(tx: Tx, app: str, live: Sequence[int], limit: int = BATCH) -> list[Finish]:
    """Pending runs of jobs that no live worker's code declares any more. `live` must not be empty."""
    known = {
        name for row in tx.execute(select(app_version.c.jobs).where(app_version.c.id.in_(live))) for name in row.jobs
    }
    query = _columns().where(
        job_run.c.app == app, job_run.c.status == RunStatus.PENDING, job_run.c.job.not_in(sorted(known))
    )
    locked = tx.dialect.locked(query.order_by(job_run.c.id).limit(limit), skip=True)
    return [_skip(row, Reason.NO_CAPABLE_WORKER) for row in tx.execute(locked)]


def version_ids_of_holders(tx: Tx, finishes: Sequence[Finish]) -> list[int]:
    """Which code the workers run that hold these runs."""
    query = (
        select(worker_instance.c.version_id)
        .distinct()
        .join_from(job_run, worker_instance, job_run.c.worker_id == worker_instance.c.id)
        .where(
            tx.dialect.is_one_of(job_run.c.id, [finish.run_id for finish in finishes]),
            worker_instance.c.version_id.is_not(None),
        )
    )
    return [row.version_id for row in tx.execute(query)]


def settle_all(tx: Tx, finishes: Sequence[Finish], jobs: Jobs, *, chance: Callable[[], float]) -> Settlement:
    """Lock what these finishes concern, settle them and write everything."""
    rows = LockedRows(tx)
    rows.lock_schedules(finish.schedule_id for finish in finishes)
    rows.lock_occurrences(finish.occurrence_id for finish in finishes)
    done = settle(rows, finishes, jobs, chance=chance)
    rows.flush()
    return done


def _columns() -> Any:
    return select(
        job_run.c.id,
        job_run.c.occurrence_id,
        job_run.c.schedule_id,
        job_run.c.claim_token,
        job_run.c.worker_id,
        job_run.c.job,
        job_run.c.attempt,
    )


def _running() -> Any:
    return _columns().where(job_run.c.status == RunStatus.RUNNING)


def _lost(row: Any) -> Finish:
    return Finish(
        run_id=row.id,
        occurrence_id=row.occurrence_id,
        schedule_id=row.schedule_id,
        claim_token=row.claim_token,
        job=row.job,
        attempt=row.attempt,
        status=RunStatus.LOST,
        error_type="WorkerLost",
        error_message=f"The worker {row.worker_id} died or lost its lease while it held this run.",
    )


def _skip(row: Any, reason: Reason) -> Finish:
    return Finish(
        run_id=row.id,
        occurrence_id=row.occurrence_id,
        schedule_id=row.schedule_id,
        claim_token=None,
        job=row.job,
        attempt=row.attempt,
        status=RunStatus.SKIPPED,
        reason=reason,
    )
