"""New rows of job runs: the first attempts of an occurrence that was admitted, the next, and those recorded as skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from matins.domain.job import Job
from matins.domain.states import Reason, RunStatus
from matins.ledger.rows import LockedRows, OccurrenceRow

Jobs = Mapping[str, Job]
"""The jobs a daemon's code knows, by name."""


def job_of(jobs: Jobs, name: str) -> Job:
    """The job's definition; for one that is not known here, a job that may not be repeated."""
    return jobs.get(name) or Job(name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Which attempt of which of an occurrence's jobs a new row stands for."""

    position: int
    attempt: int = 1
    counted: int = 1


def start_positions(rows: LockedRows, occurrence: OccurrenceRow, jobs: Jobs, positions: Iterable[int]) -> None:
    """Add a pending run for each of these jobs of an admitted occurrence."""
    first = occurrence.status.value == "pending"
    within = occurrence.policy.get("start_within") if first else None
    start_by = (
        None
        if within is None or occurrence.admitted_at is None
        else (occurrence.admitted_at + timedelta(seconds=within))
    )
    for position in positions:
        rows.new_runs.append(
            _row(
                rows.tx.now,
                occurrence,
                job_of(jobs, occurrence.jobs[position]),
                Attempt(position=position),
                start_by=start_by,
            )
        )


def start_attempt(
    rows: LockedRows, occurrence: OccurrenceRow, job: Job, attempt: Attempt, *, delay_seconds: float
) -> datetime:
    """Add a pending run for another attempt; answers when it may be claimed."""
    available_at = rows.tx.now + timedelta(seconds=delay_seconds)
    rows.new_runs.append(_row(rows.tx.now, occurrence, job, attempt, available_at=available_at))
    return available_at


def skip_positions(
    rows: LockedRows, occurrence: OccurrenceRow, jobs: Jobs, positions: Iterable[int], reason: Reason | None
) -> None:
    """Record jobs of the occurrence that will not run."""
    for position in positions:
        row = _row(rows.tx.now, occurrence, job_of(jobs, occurrence.jobs[position]), Attempt(position=position))
        rows.new_runs.append({**row, "status": RunStatus.SKIPPED, "reason": reason, "finished_at": rows.tx.now})


def _row(
    now: datetime,
    occurrence: OccurrenceRow,
    job: Job,
    attempt: Attempt,
    *,
    available_at: datetime | None = None,
    start_by: datetime | None = None,
) -> dict[str, Any]:
    return {
        "occurrence_id": occurrence.id,
        "schedule_id": occurrence.schedule_id,
        "app": occurrence.app,
        "job": job.name,
        "position": attempt.position,
        "attempt": attempt.attempt,
        "counted": attempt.counted,
        "status": RunStatus.PENDING,
        "reason": None,
        "rank": -job.priority,
        "pool": job.pool,
        "available_at": available_at or now,
        "start_by": start_by,
        "created_at": now,
        "started_at": None,
        "finished_at": None,
        "worker_id": None,
        "claim_token": None,
    }
