"""Rows become records. Nothing is read or decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from matins.admin import definition
from matins.admin.records import AuditRecord, ErrorRecord, OccurrenceRecord, RunRecord, ScheduleRecord, WorkerRecord
from matins.domain.states import WorkerStatus

_OWN_RUN_FIELDS = (
    "id",
    "occurrence_id",
    "schedule_id",
    "job",
    "position",
    "attempt",
    "status",
    "reason",
    "created_at",
    "available_at",
    "started_at",
    "finished_at",
    "worker_id",
    "pool",
    "exit",
    "progress",
    "progress_message",
)
_OWN_OCCURRENCE_FIELDS = (
    "id",
    "schedule_id",
    "kind",
    "planned_at",
    "range_from",
    "count",
    "fire_at",
    "status",
    "reason",
    "detail",
    "args",
    "created_at",
    "admitted_at",
    "started_at",
    "finished_at",
    "worker_id",
    "triggered_by",
    "request_reason",
    "origin_id",
    "cancel_requested_at",
    "cancel_requested_by",
)
_OWN_SCHEDULE_FIELDS = (
    "id",
    "app",
    "name",
    "enabled",
    "enabled_changed_at",
    "enabled_changed_by",
    "enabled_reason",
    "removed_at",
    "quarantined_at",
    "quarantine_reason",
    "never_fires",
    "locked_at",
    "locked_by",
    "last_run_at",
    "last_run_id",
    "last_status",
    "last_success_at",
    "run_count",
    "failure_count",
    "created_at",
    "updated_at",
)
_OWN_WORKER_FIELDS = (
    "id",
    "worker_type",
    "app",
    "environment",
    "hostname",
    "pid",
    "version",
    "concurrency",
    "status",
    "started_at",
    "last_heartbeat_at",
    "lease_until",
    "next_wake_at",
    "running",
    "drain_requested_at",
    "stopped_at",
    "stop_reason",
)


def run(row: Any) -> RunRecord:
    """A run; a row of a list lacks result and traceback."""
    values = row._mapping
    traceback = values.get("error_traceback")
    failed = values["error_type"] is not None or values["error_message"] is not None or traceback is not None
    return RunRecord(
        **{name: values[name] for name in _OWN_RUN_FIELDS},
        duration_ms=_milliseconds(values["started_at"], values["finished_at"]),
        error=ErrorRecord(type=values["error_type"], message=values["error_message"], traceback=traceback)
        if failed
        else None,
        result=values.get("result"),
        notes=tuple(values["notes"] or ()),
    )


def occurrence(row: Any, runs: Sequence[Any] = ()) -> OccurrenceRecord:
    """An occurrence with its runs."""
    return OccurrenceRecord(
        **{name: getattr(row, name) for name in _OWN_OCCURRENCE_FIELDS},
        jobs=tuple(row.jobs or ()),
        duration_ms=_milliseconds(row.started_at, row.finished_at),
        runs=tuple(run(one) for one in runs),
    )


def schedule(
    row: Any, *, tags: Mapping[str, Sequence[str]], environment: str | None, now: datetime, described: bool = True
) -> ScheduleRecord:
    """A schedule. `tags` are those of its application's jobs."""
    return ScheduleRecord(**schedule_values(row, tags=tags, environment=environment, now=now, described=described))


def schedule_values(
    row: Any, *, tags: Mapping[str, Sequence[str]], environment: str | None, now: datetime, described: bool = True
) -> dict[str, Any]:
    """The fields of a schedule's record."""
    data = row.definition if isinstance(row.definition, dict) else {}
    trigger = data.get("trigger")
    trigger = trigger if isinstance(trigger, dict) else {}
    environments = tuple(data.get("environments") or ())
    applies = environment is None or not environments or environment in environments
    jobs = tuple(data.get("jobs") or ())
    return {
        **{name: getattr(row, name) for name in _OWN_SCHEDULE_FIELDS},
        "description": data.get("description", ""),
        "trigger": definition.trigger_text(trigger),
        "trigger_description": definition.describe(trigger) if described else "",
        "timezone": definition.timezone(trigger),
        "environments": environments,
        "applies": applies,
        "jobs": jobs,
        "tags": tuple(sorted({tag for job in jobs for tag in tags.get(job, ())})),
        "missed_policy": data.get("missed", ""),
        "overlap_policy": data.get("overlap", ""),
        "orphaned": row.removed_at is not None,
        "quarantined": row.quarantined_at is not None,
        "next_run_at": _next_run(row, now) if applies else None,
    }


def worker(row: Any, now: datetime) -> WorkerRecord:
    """A worker; ages by the database's clock."""
    until = now if row.status == WorkerStatus.RUNNING or row.stopped_at is None else row.stopped_at
    return WorkerRecord(
        **{name: getattr(row, name) for name in _OWN_WORKER_FIELDS},
        uptime_seconds=max(0.0, (until - row.started_at).total_seconds()),
        heartbeat_age_seconds=max(0.0, (now - row.last_heartbeat_at).total_seconds()),
        draining=row.drain_requested_at is not None,
    )


def audit(row: Any) -> AuditRecord:
    """Something an operator did."""
    return AuditRecord(**{name: getattr(row, name) for name in AuditRecord.__dataclass_fields__})


def _next_run(row: Any, now: datetime) -> datetime | None:
    if not row.enabled or row.removed_at is not None or row.quarantined_at is not None:
        return None
    if row.disabled_since is None:
        found: datetime | None = row.next_run_at
        return found
    # Just enabled: until the daemon has looked, the column says "look now" and not when it fires.
    meant = definition.read(row.definition)
    return None if isinstance(meant, str) else next(iter(meant.next_runs(now, 1)), None)


def _milliseconds(started_at: datetime | None, finished_at: datetime | None) -> int | None:
    if started_at is None or finished_at is None:
        return None
    return max(0, round((finished_at - started_at).total_seconds() * 1000))
