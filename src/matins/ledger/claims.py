"""Claiming: `pending → running` by compare-and-set, in batches; two claimers pass each other's rows.

Authority: only a worker that trusts its lease claims. Each claim has its own token, which every later write names.
What may be claimed ahead of a free slot is decided by the caller, per job: a run whose job may not be repeated is only
claimed when it can begin at once, since one claimed but not begun is lost with its worker.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from matins.domain.states import OccurrenceId, OccurrenceKind, OccurrenceStatus, Reason, RunId, RunStatus, ScheduleId
from matins.ledger.rows import LockedRows, OccurrenceRow
from matins.ledger.settle import Finish
from matins.store.engine import Tx
from matins.store.tables import job_pool, job_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pending run whose row this transaction holds."""

    id: RunId
    occurrence_id: OccurrenceId
    schedule_id: ScheduleId | None
    job: str
    attempt: int
    pool: str | None
    start_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """A run that is this worker's: what the executor needs, and what later writes must name."""

    id: RunId
    occurrence_id: OccurrenceId
    schedule_id: ScheduleId | None
    claim_token: str
    job: str
    attempt: int
    kind: OccurrenceKind
    fire_at: datetime
    args: dict[str, Any]
    last_success_at: datetime | None
    deadline: datetime | None
    """When the occurrence's own time limit is over."""


def candidates(
    tx: Tx, app: str, *, limit: int, without_jobs: Sequence[str] = (), without_pools: Sequence[str] = ()
) -> list[Candidate]:
    """Lock pending runs that may start now, highest priority and longest waiting first, passing over others' locks."""
    query = (
        select(
            job_run.c.id,
            job_run.c.occurrence_id,
            job_run.c.schedule_id,
            job_run.c.job,
            job_run.c.attempt,
            job_run.c.pool,
            job_run.c.start_by,
        )
        .where(
            job_run.c.app == app,
            job_run.c.status == RunStatus.PENDING,
            job_run.c.available_at <= tx.now,
        )
        .order_by(job_run.c.app, job_run.c.status, job_run.c.rank, job_run.c.available_at, job_run.c.id)
        .limit(limit)
    )
    if without_jobs:
        query = query.where(job_run.c.job.not_in(without_jobs))
    if without_pools:
        query = query.where(or_(job_run.c.pool.is_(None), job_run.c.pool.not_in(without_pools)))
    return [Candidate(**row._mapping) for row in tx.execute(tx.dialect.locked(query, skip=True))]


def next_available_at(tx: Tx, app: str) -> datetime | None:
    """When the next attempt that is waiting for its time may be claimed."""
    query = select(func.min(job_run.c.available_at)).where(
        job_run.c.app == app, job_run.c.status == RunStatus.PENDING, job_run.c.available_at > tx.now
    )
    found: datetime | None = tx.execute(query).scalar_one()
    return found


def pool_room(tx: Tx, app: str, names: Sequence[str]) -> dict[str, int]:
    """How many more runs each of these pools takes, as far as any code ever declared it.

    Their rows are locked, so that two claimers cannot both fill one.
    """
    limits = select(job_pool.c.name, job_pool.c.slots).where(
        job_pool.c.app == app, tx.dialect.is_one_of(job_pool.c.name, names)
    )
    room: dict[str, int] = {
        row.name: row.slots for row in tx.execute(tx.dialect.locked(limits.order_by(job_pool.c.name)))
    }
    running = (
        select(job_run.c.pool, func.count().label("running"))
        .where(
            job_run.c.app == app,
            job_run.c.status == RunStatus.RUNNING,
            tx.dialect.is_one_of(job_run.c.pool, names),
        )
        .group_by(job_run.c.pool)
    )
    for row in tx.execute(running):
        if row.pool in room:
            room[row.pool] -= row.running
    return room


def within_pools(chosen: Sequence[Candidate], room: Mapping[str, int]) -> list[Candidate]:
    """Those of the candidates that their pools have room for; one that no code ever declared bounds nothing."""
    left = dict(room)
    kept = []
    for one in chosen:
        if one.pool in left:
            if left[one.pool] <= 0:
                continue
            left[one.pool] -= 1
        kept.append(one)
    return kept


def claim(rows: LockedRows, chosen: Iterable[Candidate], worker_id: str) -> tuple[list[ClaimedRun], list[Finish]]:
    """Claim these candidates. Those whose occurrence may not go on, or not start any more, come back as finishes.

    `rows` must hold the candidates' schedules and occurrences.
    """
    claimed: list[ClaimedRun] = []
    refused: list[Finish] = []
    for one in chosen:
        row = rows.occurrences[one.occurrence_id]
        against = row.state(rows.tx.now).stopping or _too_late(rows, row, one)
        if against is None:
            _mark_started(rows, row, one, worker_id)
            claimed.append(_claimed(rows, one, row))
        else:
            refused.append(_refusal(one, against))
    _write(rows.tx, claimed, worker_id)
    return claimed, refused


def _too_late(rows: LockedRows, row: OccurrenceRow, one: Candidate) -> Reason | None:
    """Whether the occurrence waited too long for its start; jobs of one that started in time may wait on."""
    expired = row.started_at is None and one.start_by is not None and one.start_by <= rows.tx.now
    return Reason.START_WITHIN if expired else None


def _claimed(rows: LockedRows, one: Candidate, row: OccurrenceRow) -> ClaimedRun:
    schedule = rows.schedules.get(one.schedule_id) if one.schedule_id else None
    return ClaimedRun(
        id=one.id,
        occurrence_id=one.occurrence_id,
        schedule_id=one.schedule_id,
        claim_token=secrets.token_hex(8),
        job=one.job,
        attempt=one.attempt,
        kind=row.kind,
        fire_at=row.fire_at,
        args=row.args or {},
        last_success_at=schedule.last_success_at if schedule else None,
        deadline=row.deadline,
    )


def _mark_started(rows: LockedRows, row: OccurrenceRow, one: Candidate, worker_id: str) -> None:
    now = rows.tx.now
    row.worker_id = worker_id
    if row.status is OccurrenceStatus.PENDING:
        row.status = OccurrenceStatus.RUNNING
        row.started_at = now
    schedule = rows.schedules.get(one.schedule_id) if one.schedule_id else None
    if schedule is not None:
        schedule.last_run_at, schedule.last_run_id = now, one.id
        if schedule.locked_at is None:
            schedule.locked_at, schedule.locked_by = now, worker_id


def _refusal(one: Candidate, reason: Reason) -> Finish:
    status = RunStatus.CANCELLED if reason is Reason.CANCELLED else RunStatus.SKIPPED
    return Finish(
        run_id=one.id,
        occurrence_id=one.occurrence_id,
        schedule_id=one.schedule_id,
        claim_token=None,
        status=status,
        reason=reason,
    )


def _write(tx: Tx, claimed: Sequence[ClaimedRun], worker_id: str) -> None:
    tx.dialect.update_many(
        tx.connection,
        job_run,
        ["id"],
        [
            {
                "id": run.id,
                "status": RunStatus.RUNNING,
                "worker_id": worker_id,
                "claim_token": run.claim_token,
                "started_at": tx.now,
            }
            for run in claimed
        ],
    )
