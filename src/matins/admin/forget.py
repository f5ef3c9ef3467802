"""Delete an orphaned schedule and all its history. The one verb that destroys; the audit keeps what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matins.admin import audit, lookup
from matins.admin.actor import Actor, checked_reason
from matins.errors import ConflictError
from matins.store import installation, operators, views
from matins.store.engine import Store, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was deleted."""

    id: str
    occurrences: int
    run_count: int
    failure_count: int


def forget(store: Store, actor: Actor, schedule_id: str, *, reason: str | None = None) -> Forgotten:
    """Delete an orphaned schedule, its occurrences, runs and logs.

    A long history goes in pieces, a transaction each: should it be interrupted, what is left can be forgotten again.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it is not orphaned, or an occurrence of it has not ended.
    """
    why = checked_reason(reason)

    def piece(tx: Tx) -> int:
        return operators.delete_history(tx, _forgettable(tx, schedule_id).id)

    deleted = 0
    while count := store.write(piece):
        deleted += count

    def last(tx: Tx) -> Forgotten:
        row = _forgettable(tx, schedule_id)
        operators.delete_schedule(tx, row.id)
        installation.touch(tx)
        done = Forgotten(id=row.id, occurrences=deleted, run_count=row.run_count, failure_count=row.failure_count)
        audit.note(tx, actor, "forget", row.id, reason=why, before=_kept(row, deleted))
        return done

    return store.write(last)


def _forgettable(tx: Tx, schedule_id: str) -> Any:
    row = lookup.schedule_row(tx, schedule_id, lock=True)
    if row.removed_at is None:
        raise ConflictError(
            f"Schedule {row.id!r} is not orphaned: only what no running code declares can be forgotten.",
            remedy=f"Remove it from the code and deploy that, or switch it off by `matins disable {row.id}`.",
        )
    standing = views.occurrences.open_of(tx, row.id)
    if standing:
        raise ConflictError(
            f"Schedule {row.id!r} still has occurrence {standing[0]}, which has not ended.",
            remedy=f"Wait for it, or stop it by `matins cancel {standing[0]}`.",
        )
    return row


def _kept(row: Any, occurrences: int) -> dict[str, Any]:
    return {
        "definition": row.definition,
        "enabled": row.enabled,
        "runCount": row.run_count,
        "failureCount": row.failure_count,
        "occurrences": occurrences,
        "removedAt": row.removed_at.isoformat(),
    }
