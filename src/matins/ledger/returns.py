"""Giving back claims that were never begun: the run is pending again, and an occurrence of which nothing ever began too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from matins.domain.states import OccurrenceId, OccurrenceStatus, RunId, RunStatus, ScheduleId
from matins.ledger.rows import LockedRows
from matins.ledger.settle import show_oldest
from matins.store.engine import Tx
from matins.store.tables import job_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A run to be given back, and what must be locked for it."""

    id: RunId
    occurrence_id: OccurrenceId
    schedule_id: ScheduleId | None


def find_returned(tx: Tx, claims: Mapping[RunId, str]) -> list[Returned]:
    """What these claims concern."""
    if not claims:
        return []
    query = select(job_run.c.id, job_run.c.occurrence_id, job_run.c.schedule_id).where(
        tx.dialect.is_one_of(job_run.c.id, sorted(claims))
    )
    return [Returned(**row._mapping) for row in tx.execute(query)]


def give_back(rows: LockedRows, returned: Sequence[Returned], claims: Mapping[RunId, str]) -> int:
    """Return claimed runs that were never begun to `pending`; answers how many were still these claims'.

    `rows` must hold their schedules and occurrences.
    """
    held = _still_claimed(rows.tx, returned, claims)
    if not held:
        return 0
    rows.tx.dialect.update_many(
        rows.tx.connection,
        job_run,
        ["id"],
        [
            {"id": one.id, "status": RunStatus.PENDING, "worker_id": None, "claim_token": None, "started_at": None}
            for one in held
        ],
    )
    _undo_starts(rows, {one.occurrence_id for one in held})
    show_oldest(rows, {one.schedule_id for one in held if one.schedule_id is not None})
    return len(held)


def _still_claimed(tx: Tx, returned: Sequence[Returned], claims: Mapping[RunId, str]) -> list[Returned]:
    if not returned:
        return []
    query = select(job_run.c.id, job_run.c.claim_token, job_run.c.status).where(
        tx.dialect.is_one_of(job_run.c.id, [one.id for one in returned])
    )
    held = {
        row.id
        for row in tx.execute(tx.dialect.locked(query.order_by(job_run.c.id)))
        if row.status == RunStatus.RUNNING and row.claim_token == claims[row.id]
    }
    return [one for one in returned if one.id in held]


def _undo_starts(rows: LockedRows, ids: set[OccurrenceId]) -> None:
    """Occurrences all of whose runs are pending again have not started: their time limits count from a real start."""
    query = (
        select(job_run.c.occurrence_id)
        .distinct()
        .where(rows.tx.dialect.is_one_of(job_run.c.occurrence_id, sorted(ids)), job_run.c.status != RunStatus.PENDING)
    )
    for id_ in ids - {row.occurrence_id for row in rows.tx.execute(query)}:
        row = rows.occurrences[id_]
        row.status, row.started_at, row.worker_id = OccurrenceStatus.PENDING, None, None
