"""The locked rows of one transaction: read once, changed in memory, written back together.

Nothing here decides. A row that is locked may be changed freely; `flush` writes what changed, one statement a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import select

from matins.domain.progression import OccurrenceState
from matins.domain.states import OccurrenceId, OccurrenceKind, OccurrenceStatus, Reason, ScheduleId
from matins.store.engine import Tx
from matins.store.tables import job_run, job_schedule, occurrence


@dataclass(slots=True)
class ScheduleRow:
    """What of a schedule's row the ledger moves."""

    id: ScheduleId
    locked_at: datetime | None
    locked_by: str | None
    last_run_at: datetime | None
    last_run_id: int | None
    last_status: str | None
    last_success_at: datetime | None
    run_count: int
    failure_count: int


@dataclass(slots=True)
class OccurrenceRow:
    """What of an occurrence's row the ledger moves, and what decides how."""

    id: OccurrenceId
    schedule_id: ScheduleId | None
    app: str
    kind: OccurrenceKind
    fire_at: datetime
    status: OccurrenceStatus
    reason: str | None
    admitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker_id: str | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    jobs: tuple[str, ...]
    args: dict[str, Any] | None
    policy: dict[str, Any]

    @property
    def deadline(self) -> datetime | None:
        """When its own time limit is over; None without a limit or before it started."""
        limit = self.policy.get("timeout")
        if limit is None or self.started_at is None:
            return None
        return self.started_at + timedelta(seconds=limit)

    def state(self, now: datetime) -> OccurrenceState:
        """What decides how it goes on."""
        stopping = None
        if self.cancel_requested_at is not None:
            stopping = Reason.CANCELLED
        elif self.deadline is not None and now >= self.deadline:
            stopping = Reason.TIMED_OUT
        return OccurrenceState(
            jobs=self.jobs,
            parallel=self.policy.get("parallel", 1),
            stop_on_failure=self.policy.get("stop_on_failure", False),
            stopping=stopping,
        )


_SCHEDULE = tuple(ScheduleRow.__dataclass_fields__)
_OCCURRENCE = tuple(OccurrenceRow.__dataclass_fields__)
_OCCURRENCE_MOVED = _OCCURRENCE[_OCCURRENCE.index("status") : _OCCURRENCE.index("jobs")]
_READ_SCHEDULES = select(*(job_schedule.c[name] for name in _SCHEDULE)).order_by(job_schedule.c.id)
_READ_OCCURRENCES = select(*(occurrence.c[name] for name in _OCCURRENCE)).order_by(occurrence.c.id)


@dataclass(slots=True)
class LockedRows:
    """The rows this transaction holds."""

    tx: Tx
    schedules: dict[ScheduleId, ScheduleRow] = field(default_factory=dict)
    occurrences: dict[OccurrenceId, OccurrenceRow] = field(default_factory=dict)
    new_runs: list[dict[str, Any]] = field(default_factory=list)
    _before: dict[tuple[str, Any], tuple[Any, ...]] = field(default_factory=dict)

    def lock_schedules(self, ids: Iterable[ScheduleId | None]) -> None:
        """Lock these schedules' rows, waiting for others who hold them."""
        wanted = sorted({id_ for id_ in ids if id_ is not None} - self.schedules.keys())
        if not wanted:
            return
        query = _READ_SCHEDULES.where(self.tx.dialect.is_one_of(job_schedule.c.id, wanted))
        for row in self.tx.rows(self.tx.dialect.locked(query)):
            self.schedules[row.id] = ScheduleRow(*row)
            self._before["schedule", row.id] = tuple(row)

    def lock_occurrences(self, ids: Iterable[OccurrenceId]) -> None:
        """Lock these occurrences' rows; their schedules must be locked already."""
        wanted = sorted(set(ids) - self.occurrences.keys())
        if not wanted:
            return
        query = _READ_OCCURRENCES.where(self.tx.dialect.is_one_of(occurrence.c.id, wanted))
        for row in self.tx.rows(self.tx.dialect.locked(query)):
            held = _occurrence_row(row)
            self.occurrences[row.id] = held
            self._before["occurrence", row.id] = _moved(held)

    def flush(self) -> int:
        """Write back what changed, in lock order; answers how many runs were added."""
        schedules = [row for row in self.schedules.values() if self._before["schedule", row.id] != _values(row)]
        self.tx.dialect.update_many(
            self.tx.connection,
            job_schedule,
            ["id"],
            [dict(zip(_SCHEDULE, _values(row), strict=True)) for row in schedules],
        )
        occurrences = [row for row in self.occurrences.values() if self._before["occurrence", row.id] != _moved(row)]
        self.tx.dialect.update_many(
            self.tx.connection,
            occurrence,
            ["id"],
            [{"id": row.id, **dict(zip(_OCCURRENCE_MOVED, _moved(row), strict=True))} for row in occurrences],
        )
        self.tx.dialect.insert_many(self.tx.connection, job_run, self.new_runs)
        added, self.new_runs = len(self.new_runs), []
        return added


def _occurrence_row(row: Any) -> OccurrenceRow:
    held = OccurrenceRow(*row)
    held.kind = OccurrenceKind(held.kind)
    held.status = OccurrenceStatus(held.status)
    held.jobs = tuple(held.jobs or ())
    held.policy = held.policy or {}
    return held


_values = attrgetter(*_SCHEDULE)
_moved = attrgetter(*_OCCURRENCE_MOVED)
