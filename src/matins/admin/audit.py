"""What operators did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matins.admin import paging, shaping
from matins.admin.actor import Actor, storable
from matins.admin.records import AuditRecord
from matins.store import audit
from matins.store.engine import Store, Tx

LONGEST_TARGET = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Some events, the newest first; `next_cursor` None when these were the last."""

    events: tuple[AuditRecord, ...]
    next_cursor: str | None


def list_events(
    store: Store,
    *,
    target: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> AuditPage:
    """A page of the audit. What was done to a schedule, its occurrences included, has the schedule's id as target.

    Raises:
        UsageError: limit or cursor is not one.
    """
    paging.check_limit(limit)
    after = paging.read_id_cursor(cursor)

    def work(tx: Tx) -> AuditPage:
        rows = audit.page(tx, limit=limit + 1, after=after, target=target, actor=actor, action=action)
        return AuditPage(
            events=tuple(shaping.audit(row) for row in rows[:limit]),
            next_cursor=paging.id_cursor(rows[limit - 1].id) if len(rows) > limit else None,
        )

    return store.read(work)


def note(
    tx: Tx, actor: Actor, action: str, target: str | None, *, reason: str | None, before: Any = None, after: Any = None
) -> None:
    """Record what a verb did, in the verb's own transaction."""
    audit.record(
        tx,
        audit.NewEvent(
            actor=actor.name,
            source=actor.source,
            action=action,
            target=None if target is None else storable(target)[:LONGEST_TARGET],
            reason=reason,
            before=before,
            after=after,
        ),
    )
