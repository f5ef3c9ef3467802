"""Cancelling occurrences: what waits ends at once, what runs is asked to stop by the daemon that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select

from matins.domain.states import OccurrenceId, OccurrenceStatus, Reason, RunStatus
from matins.ledger.rows import LockedRows
from matins.ledger.runs import Jobs
from matins.ledger.settle import Finish, Settlement, admit_waiting, end_occurrence, settle
from matins.store import installation
from matins.store.tables import job_run


def request_cancel(
    rows: LockedRows,
    ids: Sequence[OccurrenceId],
    jobs: Jobs,
    *,
    actor: str,
    chance: Callable[[], float],
) -> Settlement:
    """Ask these (locked) occurrences to stop. Runs not yet claimed end now; daemons stop the others within a second.

    A pending run that a daemon is claiming at this moment is passed over: that daemon sees the request when it begins.
    """
    asked = [id_ for id_ in ids if not rows.occurrences[id_].status.ended]
    for id_ in asked:
        row = rows.occurrences[id_]
        row.cancel_requested_at = row.cancel_requested_at or rows.tx.now
        row.cancel_requested_by = row.cancel_requested_by or actor
    done = settle(rows, _pending_runs(rows, asked), jobs, chance=chance)
    for id_ in asked:
        row = rows.occurrences[id_]
        if row.admitted_at is None and not row.status.ended:
            end_occurrence(rows, row, OccurrenceStatus.CANCELLED, Reason.CANCELLED, None, done)
            if row.schedule_id is not None:
                admit_waiting(rows, [row.schedule_id], jobs, done)
    if asked:
        installation.touch(rows.tx)
    return done


def replace_waiting(rows: LockedRows, ids: Sequence[OccurrenceId]) -> None:
    """Record (locked) occurrences that were waiting as skipped: a newer one took their place."""
    for id_ in ids:
        row = rows.occurrences[id_]
        if not row.status.ended:
            row.status, row.reason, row.finished_at = OccurrenceStatus.SKIPPED, str(Reason.REPLACED), rows.tx.now


def _pending_runs(rows: LockedRows, ids: Sequence[OccurrenceId]) -> list[Finish]:
    if not ids:
        return []
    query = (
        select(job_run.c.id, job_run.c.occurrence_id, job_run.c.schedule_id)
        .where(rows.tx.dialect.is_one_of(job_run.c.occurrence_id, list(ids)), job_run.c.status == RunStatus.PENDING)
        .order_by(job_run.c.id)
    )
    return [
        Finish(
            run_id=row.id,
            occurrence_id=row.occurrence_id,
            schedule_id=row.schedule_id,
            claim_token=None,
            status=RunStatus.CANCELLED,
            reason=Reason.CANCELLED,
        )
        for row in rows.tx.execute(rows.tx.dialect.locked(query, skip=True))
    ]
