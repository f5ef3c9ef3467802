"""Enable and disable. The daemon writes the ledger's row for the disabled range; here only the wish is recorded.

Fires that pass while a schedule is set aside (quarantined) are recorded as such when it is enabled again, so that
nothing of that time is ever made up for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from matins.admin import accounting, audit, definition, lookup, schedules
from matins.admin.actor import Actor, checked_reason
from matins.admin.records import ScheduleDetail
from matins.errors import ConflictError
from matins.store import installation, operators
from matins.store.engine import Store, Tx


def enable(store: Store, actor: Actor, schedule_id: str, *, reason: str | None = None) -> ScheduleDetail:
    """Switch a schedule on; one that was set aside is tried again. Nothing happens to one that is on already.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it is no longer in the code, or its definition still cannot be used.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> ScheduleDetail:
        row = lookup.schedule_row(tx, schedule_id, lock=True)
        _refuse_orphan(row)
        rearmed, switched = row.quarantined_at is not None, not row.enabled
        if rearmed:
            _rearm(tx, row)
        if switched:
            since = row.disabled_since or _off_since(row, tx.now)
            operators.enable(tx, row.id, by=actor.name, reason=why, disabled_since=since)
        if rearmed or switched:
            installation.touch(tx)
            audit.note(tx, actor, "enable", row.id, reason=why, before=_state(row), after=_after(enabled=True))
        return schedules.detail(tx, row.id)

    return store.write(work)


def disable(store: Store, actor: Actor, schedule_id: str, *, reason: str | None = None) -> ScheduleDetail:
    """Switch a schedule off. What runs goes on; nothing happens to one that is off already.

    Raises:
        NotFoundError: there is no such schedule.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> ScheduleDetail:
        row = lookup.schedule_row(tx, schedule_id, lock=True)
        if row.enabled:
            accounting.record_disabled_range(tx, row)
            operators.disable(tx, row.id, by=actor.name, reason=why)
            installation.touch(tx)
            after = _after(enabled=False, quarantined=row.quarantined_at is not None)
            audit.note(tx, actor, "disable", row.id, reason=why, before=_state(row), after=after)
        return schedules.detail(tx, row.id)

    return store.write(work)


def _refuse_orphan(row: Any) -> None:
    if row.removed_at is not None:
        raise ConflictError(
            f"Schedule {row.id!r} is orphaned: no running code has declared it since {row.removed_at:%Y-%m-%d %H:%M} UTC.",
            remedy=f"Deploy code that declares it, or delete it by `matins forget {row.id}`.",
        )


def _rearm(tx: Tx, row: Any) -> None:
    meant = definition.read(row.definition)
    if isinstance(meant, str):
        raise ConflictError(
            f"Schedule {row.id!r} stays quarantined: {meant}.", remedy="Deploy its code again; that restores the row."
        )
    through = row.planned_through or tx.now
    if row.enabled:
        through = accounting.record_quarantine(tx, row, meant)
    operators.rearm(tx, row.id, planned_through=through)


def _off_since(row: Any, now: datetime) -> datetime:
    """Since when a schedule is off that was switched off by SQL: the latest that can be, so that nothing runs twice."""
    return max((one for one in (row.planned_through, row.enabled_changed_at) if one is not None), default=now)


def _state(row: Any) -> dict[str, Any]:
    return _after(enabled=row.enabled, quarantined=row.quarantined_at is not None)


def _after(*, enabled: bool, quarantined: bool = False) -> dict[str, Any]:
    return {"enabled": enabled, "quarantined": quarantined}
