"""Telling what a settlement did: single events while they are few, one summary when they are many."""

from __future__ import annotations

from matins.domain.states import OccurrenceStatus, RunStatus
from matins.ledger.settle import Finish, Settlement
from matins.telemetry.events import BatchRecorded, EventBus, FinishCameLate, OccurrenceEnded, RetryPlanned, RunEnded

TOLD_SINGLY = 10


def tell_settlement(bus: EventBus, done: Settlement) -> None:
    """State what was recorded. Of a large batch, successes are only counted; what went wrong is always told singly."""
    many = len(done.recorded) > TOLD_SINGLY
    if many:
        succeeded = sum(finish.status is RunStatus.SUCCEEDED for finish in done.recorded)
        bus.emit(BatchRecorded(runs=len(done.recorded), succeeded=succeeded))
    for finish in done.recorded:
        if not (many and finish.status is RunStatus.SUCCEEDED):
            bus.emit(_ended(finish))
    for finish in done.late:
        bus.emit(FinishCameLate(run=finish.run_id, status=finish.status))
    for finish, attempt, at in done.retries:
        bus.emit(RetryPlanned(run=finish.run_id, job=finish.job, attempt=attempt, at=at))
    for one in done.ended:
        if not (many and one.status is OccurrenceStatus.SUCCEEDED):
            bus.emit(
                OccurrenceEnded(occurrence=one.id, schedule=one.schedule_id, kind=str(one.kind), status=str(one.status))
            )


def _ended(finish: Finish) -> RunEnded:
    seconds = 0.0
    if finish.started_at is not None and finish.finished_at is not None:
        seconds = (finish.finished_at - finish.started_at).total_seconds()
    error = f"{finish.error_type}: {finish.error_message}"[:500] if finish.error_type else finish.exit
    return RunEnded(
        run=finish.run_id,
        job=finish.job,
        schedule=finish.schedule_id,
        attempt=finish.attempt,
        status=str(finish.status),
        seconds=round(seconds, 3),
        error=error,
        notes=finish.notes,
    )
