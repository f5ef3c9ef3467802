"""Ledger rows that a verb owes before it changes a schedule's state: fires of a quarantine, and of a disabled range
that no daemon has recorded yet. Otherwise a later change would give those fires a reason that is not theirs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from matins.admin import definition
from matins.admin.definition import Definition
from matins.domain.planning import account_for_skipped
from matins.domain.states import Reason
from matins.errors import FiresExhausted
from matins.ledger.plans import Proposal, insert_rows, propose
from matins.store import operators
from matins.store.engine import Tx
from matins.store.schedules import PlannableSchedule

CHUNKS = 40
"""At most so many chunks of fires are counted under the lock; what is older is left to the daemon's own rules."""


def record_quarantine(tx: Tx, row: Any, meant: Definition) -> datetime:
    """Record the fires of a (locked) schedule's quarantine up to now; answers how far it is then accounted for."""
    proposal = Proposal(schedule=_held(row), definition=meant.declared, trigger=meant.trigger)
    through: datetime = row.planned_through or tx.now
    for _ in range(CHUNKS):
        try:
            made = account_for_skipped(meant.trigger, meant.declared, through, tx.now, Reason.QUARANTINED)
        except FiresExhausted:
            break
        insert_rows(tx, [(proposal, made)])
        through = made.planned_through
        if not made.rows or through >= tx.now - meant.offset:
            break
    return through


def record_disabled_range(tx: Tx, row: Any) -> None:
    """Record the time a (locked) schedule that was enabled again had been off, if no daemon has done so yet.

    What cannot be recorded now (an unreadable definition, too many fires) stays marked, and merges with the next time off.
    """
    meant = definition.read(row.definition)
    held = _held(row)
    if isinstance(meant, str):
        return
    for _ in range(CHUNKS):
        if held.disabled_since is None:
            break
        try:
            proposal = propose(held, meant.declared, meant.trigger, tx.now)
        except FiresExhausted:
            break
        made = proposal.skipped
        if made is None:
            break
        insert_rows(tx, [(proposal, made)])
        held = replace(held, planned_through=made.planned_through, disabled_since=proposal.disabled_since)
    if held.planned_through is not None:
        operators.account(tx, row.id, planned_through=held.planned_through, disabled_since=held.disabled_since)


def _held(row: Any) -> PlannableSchedule:
    return PlannableSchedule(**{name: getattr(row, name) for name in PlannableSchedule.__dataclass_fields__})
