"""The records people and programs are shown. Field names are the API's, in snake case; making them is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecord:
    """What a run raised. Lists leave the traceback out."""

    type: str | None
    message: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One attempt of one job."""

    id: int
    occurrence_id: int
    schedule_id: str | None
    job: str
    position: int
    attempt: int
    status: str
    reason: str | None
    created_at: datetime
    available_at: datetime
    """Not to be started before: later than `created_at` where it waits for another attempt's turn."""
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    worker_id: str | None
    pool: str | None
    error: ErrorRecord | None
    exit: str | None
    progress: float | None
    progress_message: str | None
    result: Any
    """What it returned. Lists leave it out."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRecord:
    """One row of the ledger: a planned fire, a range of fires of one fate, or a request."""

    id: int
    schedule_id: str | None
    kind: str
    planned_at: datetime | None
    """The instant the trigger names, without jitter; None for requests; a range's last."""
    range_from: datetime | None
    """A range's first instant."""
    count: int
    fire_at: datetime
    status: str
    reason: str | None
    detail: str | None
    jobs: tuple[str, ...]
    args: dict[str, Any] | None
    created_at: datetime
    admitted_at: datetime | None
    """None while it waits for an earlier occurrence."""
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    worker_id: str | None
    triggered_by: str | None
    request_reason: str | None
    origin_id: int | None
    """The occurrence that a retry repeats."""
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    runs: tuple[RunRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """One schedule: what the code declares of it, what operators made of it, and how it went."""

    id: str
    app: str
    name: str
    description: str
    trigger: str
    trigger_description: str
    timezone: str
    environments: tuple[str, ...]
    applies: bool
    """Whether the environment asked about plans it."""
    jobs: tuple[str, ...]
    tags: tuple[str, ...]
    """Those of its jobs."""
    missed_policy: str
    overlap_policy: str
    enabled: bool
    enabled_changed_at: datetime | None
    enabled_changed_by: str | None
    enabled_reason: str | None
    orphaned: bool
    removed_at: datetime | None
    quarantined: bool
    quarantined_at: datetime | None
    quarantine_reason: str | None
    never_fires: bool
    locked_at: datetime | None
    locked_by: str | None
    last_run_at: datetime | None
    last_run_id: int | None
    last_status: str | None
    last_success_at: datetime | None
    next_run_at: datetime | None
    """None for one that will not run by itself: disabled, orphaned, quarantined, or not of this environment."""
    run_count: int
    failure_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDetail(ScheduleRecord):
    """One schedule with the rest of its definition, its next fires and its last occurrences."""

    selection: str
    args: dict[str, Any]
    grace_seconds: float
    catch_up_window_seconds: float
    start_within_seconds: float | None
    timeout_seconds: float | None
    jitter_seconds: float
    jitter_offset_seconds: float
    parallel: int
    stop_on_failure: bool
    defined_at: str
    upcoming: tuple[datetime, ...]
    """The next fires; of a disabled schedule those it would have were it enabled."""
    recent: tuple[OccurrenceRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """One boot of a daemon."""

    id: str
    worker_type: str
    app: str
    environment: str
    hostname: str
    pid: int
    version: str
    concurrency: int
    status: str
    started_at: datetime
    uptime_seconds: float
    last_heartbeat_at: datetime
    heartbeat_age_seconds: float
    lease_until: datetime
    next_wake_at: datetime | None
    running: int
    draining: bool
    drain_requested_at: datetime | None
    stopped_at: datetime | None
    stop_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as the code declares it, who uses it, and its last run."""

    name: str
    app: str
    description: str
    tags: tuple[str, ...]
    kind: str
    """``function`` or ``shell``."""
    timeout_seconds: float | None
    retries: int
    on_lost: str
    isolation: str
    pool: str | None
    priority: int
    defined_at: str
    schedules: tuple[str, ...]
    last_run: RunRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Something an operator did."""

    id: int
    at: datetime
    actor: str
    source: str
    action: str
    target: str | None
    reason: str | None
    before: Any
    after: Any
