"""Starting at planning: a fire that finds an idle slot is planned and claimed in one transaction.

The run's row is inserted as claimed already, by the worker that plans it, which spares a second transaction and three
row updates for every run that need not wait. Only what can begin at once is started so; everything else is inserted as
pending and claimed in its turn. Jobs in a pool always take their turn, since a pool's room is counted under its lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from matins.domain.job import Job
from matins.domain.planning import Plan
from matins.domain.states import OccurrenceId, OccurrenceStatus, RunId, RunStatus, ScheduleId
from matins.ledger.claims import ClaimedRun
from matins.ledger.rows import LockedRows, OccurrenceRow
from matins.ledger.runs import Jobs
from matins.store.engine import Tx
from matins.store.schedules import PlannableSchedule
from matins.store.tables import job_run

Key = tuple[ScheduleId, datetime]
"""A fire: its schedule and its planned instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker can begin at once: so many runs, of a given job perhaps more (places ahead on busy slots)."""

    worker_id: str
    free: int
    room: Callable[[Job], int]


@dataclass(slots=True)
class Starts:
    """Which of the fires being planned are started by whoever plans them."""

    offer: Offer | None
    jobs: Jobs
    tokens: dict[Key, str] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)

    def choose(self, schedule_id: ScheduleId, jobs: Sequence[str], parallel: int, made: Plan) -> None:
        """Start those of a plan's fires that are admitted and fit into the offer."""
        if self.offer is None or parallel != 1 or made.cancels or made.replaces:
            return
        job = self.jobs.get(jobs[0])
        if job is None or job.pool is not None:
            return
        if job.name not in self._places:
            self._places[job.name] = self.offer.room(job) if job.repeatable else self.offer.free
        for row in made.rows:
            if row.admitted and len(self.tokens) < self._places[job.name]:
                self.tokens[schedule_id, row.planned_at] = secrets.token_hex(8)

    def occurrence_values(self, key: Key, now: datetime) -> dict[str, Any]:
        """What of an occurrence's row differs when it starts at once."""
        if self.offer is None or key not in self.tokens:
            return {"started_at": None, "worker_id": None}
        return {"status": OccurrenceStatus.RUNNING, "started_at": now, "worker_id": self.offer.worker_id}

    def claim_rows(self, rows: LockedRows, key: Key, added: Iterable[dict[str, Any]]) -> None:
        """Turn the new rows of a started fire's runs into claimed ones."""
        if self.offer is not None and key in self.tokens:
            for run in added:
                run["status"] = RunStatus.RUNNING
                run["worker_id"] = self.offer.worker_id
                run["claim_token"] = self.tokens[key]
                run["started_at"] = rows.tx.now


def read_claims(
    tx: Tx, started: Sequence[tuple[str, OccurrenceRow]], held: dict[ScheduleId, PlannableSchedule]
) -> list[ClaimedRun]:
    """The claims on runs that this transaction inserted as started, with the ids they were given."""
    if not started:
        return []
    by_occurrence = {row.id: (token, row) for token, row in started}
    query = select(job_run.c.id, job_run.c.occurrence_id, job_run.c.job).where(
        tx.dialect.is_one_of(job_run.c.occurrence_id, sorted(by_occurrence))
    )
    return [
        _claim(RunId(stored.id), stored.job, *by_occurrence[OccurrenceId(stored.occurrence_id)], held)
        for stored in tx.execute(query)
    ]


def shown_on_schedules(
    now: datetime, claims: Sequence[ClaimedRun], worker_id: str, held: dict[ScheduleId, PlannableSchedule]
) -> dict[ScheduleId, dict[str, Any]]:
    """What the schedules' rows show of these claims: who runs them since when."""
    shown = {}
    for claim in claims:
        if claim.schedule_id is not None:
            row = held[claim.schedule_id]
            shown[claim.schedule_id] = {
                "locked_at": row.locked_at or now,
                "locked_by": row.locked_by if row.locked_at else worker_id,
                "last_run_at": now,
                "last_run_id": claim.id,
            }
    return shown


def _claim(
    run_id: RunId, job: str, token: str, row: OccurrenceRow, held: dict[ScheduleId, PlannableSchedule]
) -> ClaimedRun:
    schedule = held.get(row.schedule_id) if row.schedule_id is not None else None
    return ClaimedRun(
        id=run_id,
        occurrence_id=row.id,
        schedule_id=row.schedule_id,
        claim_token=token,
        job=job,
        attempt=1,
        kind=row.kind,
        fire_at=row.fire_at,
        args=row.args or {},
        last_success_at=schedule.last_success_at if schedule else None,
        deadline=row.deadline,
    )
