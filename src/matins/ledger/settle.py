"""Ending runs: record each outcome once, then let its occurrence go on, or end it and admit what waits.

A finish names the claim it belongs to; one whose run is no longer that claim's changes nothing and is answered as late.
The transaction that ends a run starts the occurrence's next one or ends the occurrence, moves the schedule's counters
once, and admits what waits, so that no moment exists in which an ended run leaves its occurrence hanging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from matins.domain.admission import OpenOccurrence, next_to_admit
from matins.domain.progression import RunState, advance
from matins.domain.retry import next_attempt
from matins.domain.states import OccurrenceId, OccurrenceKind, OccurrenceStatus, Reason, RunId, RunStatus, ScheduleId
from matins.ledger.rows import LockedRows, OccurrenceRow, ScheduleRow
from matins.ledger.runs import Attempt, Jobs, job_of, skip_positions, start_attempt, start_positions
from matins.store.tables import job_run, occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a run ended. `claim_token` None ends a run that nobody has claimed, unless it is lost: then a person's hand
    has taken the token from a running one."""

    run_id: RunId
    occurrence_id: OccurrenceId
    schedule_id: ScheduleId | None
    claim_token: str | None
    status: RunStatus
    job: str = ""
    attempt: int = 1
    """The job and the attempt, for those who are told of it."""
    reason: Reason | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None
    exit: str | None = None
    result: Any = None
    notes: tuple[str, ...] = ()

    @property
    def was_claimed(self) -> bool:
        """Whether it ends a running run, and not a pending one."""
        return self.claim_token is not None or self.status is RunStatus.LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOccurrence:
    """An occurrence that ended in this transaction."""

    id: OccurrenceId
    schedule_id: ScheduleId | None
    kind: OccurrenceKind
    status: OccurrenceStatus
    fire_at: datetime
    finished_at: datetime


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What a settlement did."""

    recorded: list[Finish] = field(default_factory=list)
    late: list[Finish] = field(default_factory=list)
    retries: list[tuple[Finish, int, datetime]] = field(default_factory=list)
    """Each repeated run with its next attempt's number and time."""
    ended: list[EndedOccurrence] = field(default_factory=list)
    admitted: list[OccurrenceId] = field(default_factory=list)
    skipped: int = 0

    def absorb(self, more: Settlement) -> None:
        """Add what another settlement of the same turn did."""
        self.recorded += more.recorded
        self.late += more.late
        self.retries += more.retries
        self.ended += more.ended
        self.admitted += more.admitted
        self.skipped += more.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredRun:
    id: RunId
    occurrence_id: OccurrenceId
    position: int
    attempt: int
    counted: int
    job: str
    started_at: datetime | None


_READ_RUNS = select(
    job_run.c.id,
    job_run.c.occurrence_id,
    job_run.c.position,
    job_run.c.attempt,
    job_run.c.counted,
    job_run.c.job,
    job_run.c.started_at,
    job_run.c.status,
    job_run.c.claim_token,
).order_by(job_run.c.id)

_READ_OPEN = select(
    occurrence.c.id,
    occurrence.c.schedule_id,
    occurrence.c.kind,
    occurrence.c.status,
    occurrence.c.admitted_at,
    occurrence.c.started_at,
    occurrence.c.worker_id,
    occurrence.c.fire_at,
).where(occurrence.c.status.in_((OccurrenceStatus.PENDING, OccurrenceStatus.RUNNING)))

_OCCURRENCE_TO_COUNTER = {
    OccurrenceStatus.SUCCEEDED: "run_count",
    OccurrenceStatus.FAILED: "failure_count",
    OccurrenceStatus.LOST: "failure_count",
}


def settle(rows: LockedRows, finishes: Sequence[Finish], jobs: Jobs, *, chance: Callable[[], float]) -> Settlement:
    """Record these finishes and all that follows from them. The caller flushes `rows`.

    Args:
        rows: must hold the finishes' schedules and occurrences.
        chance: uniform in [0, 1), for the waits before retries.
    """
    done = Settlement()
    if not finishes:
        return done
    matched = _match_claims(rows, finishes, done)
    _record(rows, matched)
    touched: dict[OccurrenceId, OccurrenceRow] = {}
    retried: set[OccurrenceId] = set()
    for finish, run in matched:
        row = rows.occurrences[finish.occurrence_id]
        touched[row.id] = row
        if _retry(rows, row, finish, run, jobs, chance(), done):
            retried.add(row.id)
    _go_on(rows, touched, {finish.occurrence_id: (finish, run) for finish, run in matched}, retried, jobs, done)
    admit_waiting(rows, {one.schedule_id for one in done.ended if one.schedule_id}, jobs, done)
    return done


def _match_claims(rows: LockedRows, finishes: Sequence[Finish], done: Settlement) -> list[tuple[Finish, _StoredRun]]:
    query = _READ_RUNS.where(rows.tx.dialect.is_one_of(job_run.c.id, [finish.run_id for finish in finishes]))
    stored = {row.id: row for row in rows.tx.execute(rows.tx.dialect.locked(query))}
    matched = []
    for finish in sorted(finishes, key=lambda one: one.run_id):
        row = stored.get(finish.run_id)
        expected = RunStatus.RUNNING if finish.was_claimed else RunStatus.PENDING
        if row is None or row.status != expected or row.claim_token != finish.claim_token:
            done.late.append(finish)
            continue
        done.recorded.append(finish)
        run = _StoredRun(
            id=row.id,
            occurrence_id=row.occurrence_id,
            position=row.position,
            attempt=row.attempt,
            counted=row.counted,
            job=row.job,
            started_at=row.started_at,
        )
        matched.append((finish, run))
    return matched


def _record(rows: LockedRows, matched: Iterable[tuple[Finish, _StoredRun]]) -> None:
    now = rows.tx.now
    rows.tx.dialect.update_many(
        rows.tx.connection,
        job_run,
        ["id"],
        [
            {
                "id": run.id,
                "status": finish.status,
                "reason": finish.reason,
                "started_at": finish.started_at or run.started_at,
                "finished_at": finish.finished_at or now,
                "error_type": finish.error_type,
                "error_message": finish.error_message,
                "error_traceback": finish.error_traceback,
                "exit": finish.exit,
                "result": finish.result,
                "notes": list(finish.notes) or None,
            }
            for finish, run in matched
        ],
    )


def _retry(
    rows: LockedRows,
    row: OccurrenceRow,
    finish: Finish,
    run: _StoredRun,
    jobs: Jobs,
    chance: float,
    done: Settlement,
) -> bool:
    if row.state(rows.tx.now).stopping is not None or not finish.was_claimed:
        return False
    job = job_of(jobs, run.job)
    following = next_attempt(job, finish.status, counted=run.counted, chance=chance)
    if following is None:
        return False
    attempt = Attempt(position=run.position, attempt=run.attempt + 1, counted=following.counted)
    at = start_attempt(rows, row, job, attempt, delay_seconds=following.delay_seconds)
    done.retries.append((finish, attempt.attempt, at))
    return True


def _go_on(
    rows: LockedRows,
    touched: dict[OccurrenceId, OccurrenceRow],
    finishes: dict[OccurrenceId, tuple[Finish, _StoredRun]],
    retried: set[OccurrenceId],
    jobs: Jobs,
    done: Settlement,
) -> None:
    """Start each occurrence's next jobs, or end it. One that only has one job needs no look at its other runs."""
    several = [id_ for id_, row in touched.items() if len(row.jobs) > 1]
    latest = _latest_runs(rows, several)
    for id_, row in touched.items():
        finish, run = finishes[id_]
        if len(row.jobs) <= 1 and id_ in retried:
            continue
        states = latest[id_] if len(row.jobs) > 1 else [RunState(position=run.position, status=finish.status)]
        step = advance(row.state(rows.tx.now), states)
        start_positions(rows, row, jobs, step.start)
        skip_positions(rows, row, jobs, step.skip, step.reason)
        done.skipped += len(step.skip)
        if step.outcome is not None:
            end_occurrence(rows, row, step.outcome, finish.reason or step.reason, finish.finished_at, done)


def _latest_runs(rows: LockedRows, ids: Sequence[OccurrenceId]) -> dict[OccurrenceId, list[RunState]]:
    """The latest attempt of every job of these occurrences, attempts added in this transaction included."""
    if not ids:
        return {}
    found: dict[OccurrenceId, dict[int, tuple[int, RunStatus]]] = {id_: {} for id_ in ids}
    query = select(job_run.c.occurrence_id, job_run.c.position, job_run.c.attempt, job_run.c.status).where(
        rows.tx.dialect.is_one_of(job_run.c.occurrence_id, list(ids))
    )
    for row in rows.tx.execute(query):
        _keep_latest(found[row.occurrence_id], row.position, row.attempt, RunStatus(row.status))
    for new in rows.new_runs:
        if new["occurrence_id"] in found:
            _keep_latest(found[new["occurrence_id"]], new["position"], new["attempt"], RunStatus(new["status"]))
    return {
        id_: [RunState(position=position, status=status) for position, (_, status) in by_position.items()]
        for id_, by_position in found.items()
    }


def _keep_latest(known: dict[int, tuple[int, RunStatus]], position: int, attempt: int, status: RunStatus) -> None:
    if position not in known or known[position][0] < attempt:
        known[position] = (attempt, status)


def end_occurrence(
    rows: LockedRows,
    row: OccurrenceRow,
    status: OccurrenceStatus,
    reason: Reason | None,
    finished_at: datetime | None,
    done: Settlement,
) -> None:
    """Give an occurrence its outcome and move its schedule's counters, once."""
    row.status = status
    row.reason = reason if reason is None else str(reason)
    row.finished_at = finished_at or rows.tx.now
    done.ended.append(
        EndedOccurrence(
            id=row.id,
            schedule_id=row.schedule_id,
            kind=row.kind,
            status=status,
            fire_at=row.fire_at,
            finished_at=row.finished_at,
        )
    )
    schedule = rows.schedules.get(row.schedule_id) if row.schedule_id else None
    if schedule is not None:
        _count(schedule, row)


def _count(schedule: ScheduleRow, row: OccurrenceRow) -> None:
    counter = _OCCURRENCE_TO_COUNTER.get(row.status)
    if counter is not None:
        setattr(schedule, counter, getattr(schedule, counter) + 1)
    schedule.last_status = str(row.status)
    if row.status is OccurrenceStatus.SUCCEEDED:
        schedule.last_success_at = row.finished_at


def admit_waiting(rows: LockedRows, schedule_ids: Iterable[ScheduleId], jobs: Jobs, done: Settlement) -> None:
    """Let the next waiting occurrence of each of these schedules start if none is running; show which run is oldest."""
    ids = list(schedule_ids)
    by_schedule = open_occurrences(rows, ids)
    for schedule_id in ids:
        _show_oldest(rows.schedules[schedule_id], by_schedule.get(schedule_id, ()))
    chosen = [one.id for standing in by_schedule.values() for one in next_to_admit(standing) if one.id is not None]
    rows.lock_occurrences(chosen)
    for id_ in chosen:
        row = rows.occurrences[id_]
        row.admitted_at = rows.tx.now
        start_positions(rows, row, jobs, advance(row.state(rows.tx.now), ()).start)
        done.admitted.append(id_)


def show_oldest(rows: LockedRows, schedule_ids: Iterable[ScheduleId]) -> None:
    """Show people which of each schedule's running occurrences is the oldest, and who runs it."""
    ids = sorted(schedule_ids)
    by_schedule = open_occurrences(rows, ids)
    for schedule_id in ids:
        _show_oldest(rows.schedules[schedule_id], by_schedule.get(schedule_id, ()))


def _show_oldest(schedule: ScheduleRow, standing: Sequence[OpenOccurrence]) -> None:
    started = [(one.started_at, one.worker_id) for one in standing if one.started_at is not None]
    schedule.locked_at, schedule.locked_by = min(started, default=(None, None), key=lambda one: one[0])


def open_occurrences(rows: LockedRows, schedule_ids: Sequence[ScheduleId]) -> dict[ScheduleId, list[OpenOccurrence]]:
    """The occurrences of these (locked) schedules that have not ended, as this transaction sees them."""
    if not schedule_ids:
        return {}
    query = _READ_OPEN.where(rows.tx.dialect.is_one_of(occurrence.c.schedule_id, list(schedule_ids)))
    found: dict[ScheduleId, list[OpenOccurrence]] = {}
    for stored in rows.tx.execute(query):
        held = rows.occurrences.get(stored.id, stored)
        if OccurrenceStatus(held.status).ended:
            continue
        found.setdefault(stored.schedule_id, []).append(
            OpenOccurrence(
                id=stored.id,
                kind=OccurrenceKind(stored.kind),
                admitted=held.admitted_at is not None,
                fire_at=stored.fire_at,
                started_at=held.started_at,
                worker_id=held.worker_id,
            )
        )
    return found
