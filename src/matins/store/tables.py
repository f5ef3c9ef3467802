"""The schema, as the statements use it. The migrations create it; `docs/reference/tables.md` explains it to people.

What belongs to the code (a definition's snapshot) and what belongs to operators (enabled, the watermark, counters) are
columns of one row, `job_schedule`, but have different writers. Foreign keys cascade from schedule to occurrence to run
to log. Identities are never used again, also on SQLite, where a plain key would be once the newest row was pruned: a
run's id is the fence its job sees.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from matins.store.types import LONG_TEXT, ROW_ID, Instant, Json, key_text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", ROW_ID, nullable=False, comment="rises with every change that daemons should notice"),
    Column("paused_at", Instant),
    Column("paused_by", String(200)),
    Column("paused_reason", Text),
)

app = Table(
    "app",
    metadata,
    Column("name", key_text(100), primary_key=True),
    Column("synced_at", Instant),
    comment="one row an application; locked while its definitions are synchronised",
)

app_version = Table(
    "app_version",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
    Column("app", key_text(100), nullable=False),
    Column("environment", key_text(100), nullable=False),
    Column("hash", key_text(64), nullable=False, comment="of all definitions of that code in that environment"),
    Column("jobs", Json, nullable=False, comment="name to definition of every job the code declares"),
    Column("pools", Json, nullable=False),
    Column("schedules", Integer, comment="how many it declares; NULL until all of them are recorded"),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("app", "environment", "hash", name="uq_app_version_app_environment_hash"),
    sqlite_autoincrement=True,
)

app_version_schedule = Table(
    "app_version_schedule",
    metadata,
    Column(
        "version_id",
        ROW_ID,
        ForeignKey("app_version.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("schedule_id", key_text(50), primary_key=True),
    Column("definition_hash", key_text(64), nullable=False),
    Column("applies", Boolean, nullable=False, comment="whether this environment plans it"),
    Index("ix_app_version_schedule_schedule_id", "schedule_id"),
    comment="which code knows which schedule, and in which wording",
)

job_schedule = Table(
    "job_schedule",
    metadata,
    Column("id", key_text(50), primary_key=True),
    Column("app", key_text(100), nullable=False),
    Column("name", String(200), nullable=False),
    Column("definition", Json, nullable=False, comment="the definition's snapshot"),
    Column("definition_hash", key_text(64), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=false()),
    Column("enabled_changed_at", Instant),
    Column("enabled_changed_by", String(200)),
    Column("enabled_reason", Text),
    Column("disabled_since", Instant, comment="set while disabled, and until the daemon accounted for that range"),
    Column(
        "planned_through",
        Instant,
        nullable=False,
        comment="the watermark: the last planned instant accounted for",
    ),
    Column("next_run_at", Instant, comment="derived from the watermark; repaired when it cannot be right"),
    Column("never_fires", Boolean, nullable=False, server_default=false(), comment="its trigger has no further fire"),
    Column("locked_at", Instant, comment="shown to people: since when its oldest running occurrence runs"),
    Column("locked_by", key_text(100)),
    Column("last_run_at", Instant),
    Column("last_run_id", ROW_ID),
    Column("last_status", key_text(20)),
    Column("last_success_at", Instant),
    Column("run_count", ROW_ID, nullable=False, server_default="0"),
    Column("failure_count", ROW_ID, nullable=False, server_default="0"),
    Column(
        "removed_at",
        Instant,
        comment="since when no live code knows it, once its last fires were accounted for",
    ),
    Column("quarantined_at", Instant),
    Column("quarantine_reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_job_schedule_enabled_next_run_at", "enabled", "next_run_at"),
    Index("ix_job_schedule_last_run_id", "last_run_id"),
    Index("ix_job_schedule_locked_at", "locked_at"),
    Index("ix_job_schedule_app", "app"),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
    Column(
        "schedule_id",
        key_text(50),
        ForeignKey("job_schedule.id", ondelete="CASCADE"),
        comment="NULL: one job by hand",
    ),
    Column("app", key_text(100), nullable=False),
    Column("kind", key_text(20), nullable=False),
    Column("planned_at", Instant, comment="the planned instant; NULL for requests; a range's last"),
    Column("range_from", Instant, comment="the first planned instant, where the row stands for several"),
    Column("count", ROW_ID, nullable=False, server_default="1"),
    Column("fire_at", Instant, nullable=False),
    Column("status", key_text(20), nullable=False),
    Column("reason", key_text(40)),
    Column("detail", Text, comment="the reason in words, where there is more to say"),
    Column("jobs", Json, nullable=False, comment="the jobs it runs, in order"),
    Column("args", Json),
    Column(
        "policy",
        Json,
        comment="parallel, stop_on_failure, start_within, timeout as they were when it was planned",
    ),
    Column("created_at", Instant, nullable=False),
    Column("admitted_at", Instant, comment="NULL while it waits for an earlier occurrence"),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("worker_id", key_text(100)),
    Column("triggered_by", String(200)),
    Column("request_reason", Text),
    Column("origin_id", ROW_ID, comment="the occurrence that a retry repeats"),
    Column("cancel_requested_at", Instant),
    Column("cancel_requested_by", String(200)),
    UniqueConstraint("schedule_id", "planned_at", name="uq_occurrence_schedule_id_planned_at"),
    Index("ix_occurrence_schedule_id_status", "schedule_id", "status"),
    Index("ix_occurrence_schedule_id_fire_at", "schedule_id", "fire_at", "id"),
    Index("ix_occurrence_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)

job_run = Table(
    "job_run",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True, comment="the fence: rises with every attempt"),
    Column("occurrence_id", ROW_ID, ForeignKey("occurrence.id", ondelete="CASCADE"), nullable=False),
    Column("schedule_id", key_text(50)),
    Column("app", key_text(100), nullable=False),
    Column("job", key_text(200), nullable=False),
    Column("position", Integer, nullable=False, comment="the job's place in the occurrence"),
    Column("attempt", Integer, nullable=False),
    Column(
        "counted",
        Integer,
        nullable=False,
        comment="attempts that count against the retries, this one included",
    ),
    Column("status", key_text(20), nullable=False),
    Column("reason", key_text(40)),
    Column(
        "rank",
        Integer,
        nullable=False,
        server_default="0",
        comment="the negated priority: the smallest goes first",
    ),
    Column("available_at", Instant, nullable=False, comment="not to be claimed before"),
    Column("start_by", Instant, comment="not to be claimed after"),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("worker_id", key_text(100)),
    Column("claim_token", key_text(32)),
    Column("pool", key_text(100)),
    Column("error_type", String(200)),
    Column("error_message", LONG_TEXT),
    Column("error_traceback", LONG_TEXT),
    Column("exit", String(200)),
    Column("progress", Float),
    Column("progress_message", Text),
    Column("result", Json),
    Column("notes", Json),
    Index("ix_job_run_claim", "app", "status", "rank", "available_at", "id"),
    Index("ix_job_run_occurrence_id", "occurrence_id"),
    Index("ix_job_run_worker_id_status", "worker_id", "status"),
    Index("ix_job_run_schedule_id_started_at", "schedule_id", "started_at"),
    Index("ix_job_run_job_id", "job", "id"),
    sqlite_autoincrement=True,
)

job_log = Table(
    "job_log",
    metadata,
    Column("run_id", ROW_ID, ForeignKey("job_run.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="of the first line in this piece"),
    Column("last_number", Integer, nullable=False),
    Column("at", Instant, nullable=False, comment="when the first line was written"),
    Column("lines", Json, nullable=False, comment="a list of [number, seconds since at, stream, level, text]"),
)

worker_instance = Table(
    "worker_instance",
    metadata,
    Column("id", key_text(100), primary_key=True),
    Column("worker_type", key_text(40), nullable=False),
    Column("app", key_text(100), nullable=False),
    Column("environment", key_text(100), nullable=False),
    Column("version_id", ROW_ID),
    Column("hostname", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(50), nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("status", key_text(20), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("last_heartbeat_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("lease_for_seconds", Float, nullable=False, comment="how long one renewal holds"),
    Column("next_wake_at", Instant, comment="when its scheduler announced to look again"),
    Column("running", Integer, nullable=False, server_default="0"),
    Column("drain_requested_at", Instant),
    Column("stopped_at", Instant),
    Column("stop_reason", Text),
    Index("ix_worker_instance_status_lease_until", "status", "lease_until"),
)

job_pool = Table(
    "job_pool",
    metadata,
    Column("app", key_text(100), primary_key=True),
    Column("name", key_text(100), primary_key=True),
    Column("slots", Integer, nullable=False),
    comment="locked by whoever claims into the pool",
)

outcome_rollup = Table(
    "outcome_rollup",
    metadata,
    Column("schedule_id", key_text(50), primary_key=True),
    Column("day", key_text(10), primary_key=True),
    Column("kind", key_text(20), primary_key=True),
    Column("status", key_text(20), primary_key=True),
    Column("reason", key_text(40), primary_key=True, comment="empty where there was none"),
    Column("count", ROW_ID, nullable=False),
    comment="what was pruned from the ledger, so that the accounts still add up",
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("action", key_text(60), nullable=False),
    Column("target", String(200)),
    Column("reason", Text),
    Column("before", Json),
    Column("after", Json),
    Index("ix_audit_event_target_id", "target", "id"),
    sqlite_autoincrement=True,
)
