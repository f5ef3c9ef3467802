"""How records are worded for people, the same in every command: outcomes, states, who did what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from matins.admin.records import ErrorRecord, OccurrenceRecord, RunRecord, ScheduleRecord
from matins.cli import times
from matins.cli.invocation import Invocation
from matins.cli.tables import Column, Row

NONE = "-"
LONGEST_ERROR = 200


def outcome(record: OccurrenceRecord | RunRecord) -> str:
    """``succeeded``; ``skipped: overlap``; ``failed: ValueError: no feed``; ``skipped: missed, 12 fires``."""
    return _joined(record.status, _reasons(record))


def ended(record: OccurrenceRecord | RunRecord) -> str:
    """The same with how long it took: ``failed after 4.2s: ValueError: no feed``."""
    span = "" if record.duration_ms is None else f" after {took(record)}"
    return _joined(f"{record.status}{span}", _reasons(record))


def _reasons(record: OccurrenceRecord | RunRecord) -> str:
    # "cancelled: cancelled" tells nothing.
    why = "" if record.reason in (None, record.status) else str(record.reason).replace("_", " ")
    if isinstance(record, OccurrenceRecord):
        many = f"{record.count} fires" if record.count > 1 else ""
        error = next((run.error for run in reversed(record.runs) if run.error is not None), None)
    else:
        many, error = "", record.error
    told = "" if record.status == "succeeded" else problem(error)
    return ", ".join(part for part in (why, many, told) if part)


def _joined(head: str, tail: str) -> str:
    return f"{head}: {tail}" if tail else head


def problem(error: ErrorRecord | None) -> str:
    """An error's type and the first line of its message."""
    if error is None:
        return ""
    lines = (error.message or "").strip().splitlines()
    text = ": ".join(part for part in (error.type, lines[0] if lines else "") if part)
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"


def took(record: OccurrenceRecord | RunRecord) -> str:
    """How long it ran."""
    return NONE if record.duration_ms is None else times.duration(record.duration_ms / 1000)


def state(schedule: ScheduleRecord) -> str:
    """The one word that decides whether it runs by itself."""
    if schedule.orphaned:
        return "orphaned"
    if schedule.quarantined:
        return "quarantined"
    return "enabled" if schedule.enabled else "disabled"


def when(schedule: ScheduleRecord) -> str:
    """The trigger as it is written, with its zone where that is not UTC."""
    return schedule.trigger if schedule.timezone == "UTC" else f"{schedule.trigger} {schedule.timezone}"


def since(at: datetime | None, by: str | None, reason: str | None, call: Invocation) -> str:
    """``2h ago by ann: spring cleaning``, as far as it is known."""
    parts = [times.relative(at, call.now()) if at else "", f"by {by}" if by else ""]
    text = " ".join(part for part in parts if part)
    return f"{text}: {reason}" if reason and text else text or (reason or "")


OCCURRENCE_COLUMNS: Sequence[Column] = (
    Column(heading="ID", right=True),
    Column(heading="Fire time"),
    Column(heading="Kind"),
    Column(heading="Took", right=True),
    Column(heading="Outcome", wraps=True),
)


def occurrence_row(call: Invocation, record: OccurrenceRecord) -> Row:
    """A line of the ledger."""
    return [record.id, times.instant(record.fire_at, call.zone), record.kind, took(record), outcome(record)]


def by_far(one: datetime | None, call: Invocation) -> str:
    """How far away, for a column; a dash for never."""
    return NONE if one is None else times.relative(one, call.now())
