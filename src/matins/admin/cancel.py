"""Cancel an occurrence: what waits ends at once; what runs is stopped by its daemon within about a second."""

from __future__ import annotations

import random

from matins.admin import audit, lookup, occurrences
from matins.admin.actor import Actor, checked_reason
from matins.admin.records import OccurrenceRecord
from matins.admin.requests import jobs_of
from matins.domain.states import OccurrenceId, OccurrenceStatus
from matins.errors import ConflictError
from matins.ledger.cancels import request_cancel
from matins.ledger.rows import LockedRows
from matins.store.engine import Store, Tx


def cancel(store: Store, actor: Actor, occurrence_id: int, *, reason: str | None = None) -> OccurrenceRecord:
    """Ask an occurrence to stop. Asking again changes nothing.

    Raises:
        NotFoundError: there is no such occurrence.
        ConflictError: it has ended already.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> OccurrenceRecord:
        found = lookup.occurrence_row(tx, occurrence_id)
        id_ = OccurrenceId(found.id)
        rows = LockedRows(tx)
        rows.lock_schedules([found.schedule_id])
        rows.lock_occurrences([id_])
        held = rows.occurrences.get(id_)
        if held is None or held.status.ended:
            raise _ended(occurrence_id, held.status if held else OccurrenceStatus(found.status))
        if held.cancel_requested_at is None:
            before = {"occurrence": id_, "status": held.status}
            request_cancel(rows, [id_], jobs_of(tx, found.app), actor=actor.name, chance=random.random)
            rows.flush()
            after = {"occurrence": id_, "status": held.status}
            target = found.schedule_id or (found.jobs or [None])[0]
            audit.note(tx, actor, "cancel", target, reason=why, before=before, after=after)
        return occurrences.record(tx, id_)

    return store.write(work)


def _ended(occurrence_id: int, status: OccurrenceStatus) -> ConflictError:
    return ConflictError(
        f"Occurrence {occurrence_id} has ended already: {status}.",
        remedy=f"`matins retry {occurrence_id}` runs it once more.",
    )
