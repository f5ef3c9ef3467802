"""What operators write into a schedule's row. The row must be locked by then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, update

from matins.store.engine import Tx
from matins.store.tables import job_schedule, occurrence, outcome_rollup, worker_instance

BATCH = 500


def enable(tx: Tx, id_: str, *, by: str, reason: str | None, disabled_since: datetime) -> None:
    """Switch on. The daemon is to look at once, and to account for the range since `disabled_since`."""
    _write(
        tx,
        id_,
        enabled=True,
        enabled_changed_at=tx.now,
        enabled_changed_by=by,
        enabled_reason=reason,
        disabled_since=disabled_since,
        next_run_at=tx.now,
        never_fires=False,
    )


def disable(tx: Tx, id_: str, *, by: str, reason: str | None) -> None:
    """Switch off."""
    _write(
        tx,
        id_,
        enabled=False,
        enabled_changed_at=tx.now,
        enabled_changed_by=by,
        enabled_reason=reason,
        # One that is still there begins a time off that the daemon has not accounted for yet.
        disabled_since=func.coalesce(job_schedule.c.disabled_since, tx.now),
    )


def rearm(tx: Tx, id_: str, *, planned_through: datetime) -> None:
    """End a quarantine; what lies up to `planned_through` is accounted for."""
    _write(
        tx,
        id_,
        quarantined_at=None,
        quarantine_reason=None,
        planned_through=planned_through,
        next_run_at=tx.now,
        never_fires=False,
    )


def account(tx: Tx, id_: str, *, planned_through: datetime, disabled_since: datetime | None) -> None:
    """Say how far a schedule is accounted for, and what is left of a time off; with the rows for what is passed."""
    _write(tx, id_, planned_through=planned_through, disabled_since=disabled_since)


def drain(tx: Tx, worker_id: str) -> None:
    """Ask a worker to start nothing new."""
    tx.execute(update(worker_instance).where(worker_instance.c.id == worker_id).values(drain_requested_at=tx.now))


def delete_history(tx: Tx, id_: str) -> int:
    """Delete some of a schedule's occurrences, with their runs and logs; answers how many."""
    ids = [
        row.id
        for row in tx.execute(
            occurrence.select().with_only_columns(occurrence.c.id).where(occurrence.c.schedule_id == id_).limit(BATCH)
        )
    ]
    if ids:
        tx.execute(delete(occurrence).where(tx.dialect.is_one_of(occurrence.c.id, ids)))
    return len(ids)


def delete_schedule(tx: Tx, id_: str) -> None:
    """Delete the schedule and the accounts of what was pruned of it."""
    tx.execute(delete(outcome_rollup).where(outcome_rollup.c.schedule_id == id_))
    tx.execute(delete(job_schedule).where(job_schedule.c.id == id_))


def _write(tx: Tx, id_: str, **values: Any) -> None:
    tx.execute(update(job_schedule).where(job_schedule.c.id == id_).values(**values))
