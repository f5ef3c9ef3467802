"""The words of an explanation: its record, its parts, and what is known when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from matins.admin.definition import Definition
from matins.admin.records import OccurrenceRecord
from matins.store.engine import Tx
from matins.store.installation import Pause


class Fate(StrEnum):
    """What became of a fire time, in one word."""

    RAN = "ran"
    """It was started; its outcome is the occurrence's."""
    WAITING = "waiting"
    """It is recorded and has not started yet."""
    SKIPPED = "skipped"
    """It is recorded, and never started."""
    DISABLED = "disabled"
    ORPHANED = "orphaned"
    QUARANTINED = "quarantined"
    NOT_A_FIRE = "not_a_fire"
    TO_COME = "to_come"
    OVERDUE = "overdue"
    """It is due, and no daemon has planned it."""
    BEFORE_SCHEDULE = "before_schedule"
    PRUNED = "pruned"
    OTHER_ENVIRONMENT = "other_environment"
    NOT_RECORDED = "not_recorded"
    """It is accounted for without a row: another definition was in force then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact, and when it was so where that is an instant."""

    what: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedCount:
    """Fires of one day and outcome that were pruned."""

    kind: str
    status: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of a fire time. `ran` says whether anything was started for it, whatever came of that."""

    schedule_id: str
    at: datetime
    fate: Fate
    reason: str | None
    ran: bool
    sentence: str
    evidence: tuple[Evidence, ...]
    planned_at: datetime | None
    """The planned instant that is meant; None where the trigger has none there."""
    fire_at: datetime | None
    """The same with jitter."""
    before: datetime | None
    """The fire before the instant asked about, by the present trigger."""
    after: datetime | None
    occurrence: OccurrenceRecord | None
    related: tuple[OccurrenceRecord, ...]
    """Retries, backfills and runs by hand with that fire time."""
    pruned: tuple[PrunedCount, ...]
    """What is still known of that day, where its rows are pruned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The heart of an explanation."""

    fate: Fate
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    pruned: tuple[PrunedCount, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What was asked, and what the database says of the schedule."""

    tx: Tx
    schedule: Any
    meant: Definition | None
    fault: str | None
    """Why the definition cannot be read, where it cannot."""
    at: datetime
    until: datetime
    environment: str | None
    pause: Pause | None

    @property
    def offset(self) -> timedelta:
        """How much later than planned the schedule fires."""
        return timedelta(0) if self.meant is None else self.meant.offset
