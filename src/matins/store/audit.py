"""The audit: one row for everything an operator changed, written in the transaction that changed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from matins.store.engine import Tx
from matins.store.tables import audit_event

Row = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """What is to be recorded."""

    actor: str
    source: str
    action: str
    target: str | None = None
    reason: str | None = None
    before: Any = None
    after: Any = None


def record(tx: Tx, event: NewEvent) -> None:
    """Write one row."""
    tx.execute(
        insert(audit_event).values(
            at=tx.now,
            actor=event.actor,
            source=event.source,
            action=event.action,
            target=event.target,
            reason=event.reason,
            before=event.before,
            after=event.after,
        )
    )


def page(
    tx: Tx,
    *,
    limit: int,
    after: int | None = None,
    target: str | None = None,
    actor: str | None = None,
    action: str | None = None,
) -> list[Row]:
    """Events, the newest first, from behind the id `after` on."""
    query = select(audit_event).order_by(audit_event.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(audit_event.c.id < after)
    for column, wanted in (
        (audit_event.c.target, target),
        (audit_event.c.actor, actor),
        (audit_event.c.action, action),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return tx.rows(query)


def last_switch_before(tx: Tx, schedule_id: str, instant: datetime) -> Row | None:
    """The last time an operator enabled or disabled a schedule, not after an instant."""
    query = (
        select(audit_event)
        .where(
            audit_event.c.target == schedule_id,
            audit_event.c.action.in_(("enable", "disable")),
            audit_event.c.at <= instant,
        )
        .order_by(audit_event.c.id.desc())
        .limit(1)
    )
    return tx.execute(query).one_or_none()
