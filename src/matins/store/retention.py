"""Pruning history. What is pruned is first added to the roll-up of its schedule and day, so that the accounts add up."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from sqlalchemy import delete, select, update

from matins.domain.states import OccurrenceStatus
from matins.store.engine import Tx
from matins.store.tables import job_log, job_run, occurrence, outcome_rollup

BATCH = 500


def prune_occurrences(tx: Tx, older_than: timedelta) -> int:
    """Roll up and delete some occurrences that ended so long ago, with their runs and logs; answers how many."""
    query = (
        select(
            occurrence.c.id,
            occurrence.c.schedule_id,
            occurrence.c.kind,
            occurrence.c.status,
            occurrence.c.reason,
            occurrence.c.count,
            occurrence.c.fire_at,
        )
        .where(
            occurrence.c.finished_at < tx.now - older_than,
            occurrence.c.status.not_in((OccurrenceStatus.PENDING, OccurrenceStatus.RUNNING)),
        )
        .order_by(occurrence.c.finished_at)
        .limit(BATCH)
    )
    rows = tx.rows(tx.dialect.locked(query, skip=True))
    if not rows:
        return 0
    totals: Counter[tuple[str, str, str, str, str]] = Counter()
    for row in rows:
        if row.schedule_id is not None:
            totals[row.schedule_id, row.fire_at.date().isoformat(), row.kind, row.status, row.reason or ""] += row.count
    for key, count in sorted(totals.items()):
        _add(tx, key, count)
    tx.execute(delete(occurrence).where(tx.dialect.is_one_of(occurrence.c.id, [row.id for row in rows])))
    return len(rows)


def prune_logs(tx: Tx, older_than: timedelta) -> int:
    """Delete some captured output of runs that ended so long ago; answers how many pieces."""
    old = (
        select(job_log.c.run_id)
        .distinct()
        .join_from(job_log, job_run, job_log.c.run_id == job_run.c.id)
        .where(job_run.c.finished_at < tx.now - older_than)
        .limit(BATCH)
    )
    ids = [row.run_id for row in tx.execute(old)]
    if not ids:
        return 0
    return tx.execute(delete(job_log).where(tx.dialect.is_one_of(job_log.c.run_id, ids))).rowcount


def _add(tx: Tx, key: tuple[str, str, str, str, str], count: int) -> None:
    values = dict(zip(("schedule_id", "day", "kind", "status", "reason"), key, strict=True))
    tx.dialect.insert_absent(tx.connection, outcome_rollup, [{**values, "count": 0}])
    matches = [outcome_rollup.c[name] == value for name, value in values.items()]
    tx.execute(update(outcome_rollup).where(*matches).values(count=outcome_rollup.c.count + count))
