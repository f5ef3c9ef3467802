"""The first schema.

Each step can be repeated, since MariaDB and MySQL commit every one of them by itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from matins.store.migrations.steps import create_index
from matins.store.types import LONG_TEXT, ROW_ID, Instant, Json, key_text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "app",
        sa.Column("name", key_text(100), nullable=False),
        sa.Column("synced_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_app"),
        comment="one row an application; locked while its definitions are synchronised",
        if_not_exists=True,
    )
    op.create_table(
        "app_version",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("environment", key_text(100), nullable=False),
        sa.Column("hash", key_text(64), nullable=False, comment="of all definitions of that code in that environment"),
        sa.Column("jobs", Json(), nullable=False, comment="name to definition of every job the code declares"),
        sa.Column("pools", Json(), nullable=False),
        sa.Column(
            "schedules",
            sa.Integer(),
            nullable=True,
            comment="how many it declares; NULL until all of them are recorded",
        ),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_app_version"),
        sa.UniqueConstraint("app", "environment", "hash", name="uq_app_version_app_environment_hash"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "audit_event",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("action", key_text(60), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("before", Json(), nullable=True),
        sa.Column("after", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    create_index("ix_audit_event_target_id", "audit_event", ["target", "id"])
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", ROW_ID, nullable=False, comment="rises with every change that daemons should notice"),
        sa.Column("paused_at", Instant(), nullable=True),
        sa.Column("paused_by", sa.String(length=200), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
        if_not_exists=True,
    )
    op.create_table(
        "job_pool",
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("name", key_text(100), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("app", "name", name="pk_job_pool"),
        comment="locked by whoever claims into the pool",
        if_not_exists=True,
    )
    op.create_table(
        "job_schedule",
        sa.Column("id", key_text(50), nullable=False),
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("definition", Json(), nullable=False, comment="the definition's snapshot"),
        sa.Column("definition_hash", key_text(64), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("enabled_changed_at", Instant(), nullable=True),
        sa.Column("enabled_changed_by", sa.String(length=200), nullable=True),
        sa.Column("enabled_reason", sa.Text(), nullable=True),
        sa.Column(
            "disabled_since",
            Instant(),
            nullable=True,
            comment="set while disabled, and until the daemon accounted for that range",
        ),
        sa.Column(
            "planned_through",
            Instant(),
            nullable=False,
            comment="the watermark: the last planned instant accounted for",
        ),
        sa.Column(
            "next_run_at",
            Instant(),
            nullable=True,
            comment="derived from the watermark; repaired when it cannot be right",
        ),
        sa.Column(
            "never_fires",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="its trigger has no further fire",
        ),
        sa.Column(
            "locked_at",
            Instant(),
            nullable=True,
            comment="shown to people: since when its oldest running occurrence runs",
        ),
        sa.Column("locked_by", key_text(100), nullable=True),
        sa.Column("last_run_at", Instant(), nullable=True),
        sa.Column("last_run_id", ROW_ID, nullable=True),
        sa.Column("last_status", key_text(20), nullable=True),
        sa.Column("last_success_at", Instant(), nullable=True),
        sa.Column("run_count", ROW_ID, server_default="0", nullable=False),
        sa.Column("failure_count", ROW_ID, server_default="0", nullable=False),
        sa.Column(
            "removed_at",
            Instant(),
            nullable=True,
            comment="since when no live code knows it, once its last fires were accounted for",
        ),
        sa.Column("quarantined_at", Instant(), nullable=True),
        sa.Column("quarantine_reason", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_schedule"),
        if_not_exists=True,
    )
    create_index("ix_job_schedule_app", "job_schedule", ["app"])
    create_index("ix_job_schedule_enabled_next_run_at", "job_schedule", ["enabled", "next_run_at"])
    create_index("ix_job_schedule_last_run_id", "job_schedule", ["last_run_id"])
    create_index("ix_job_schedule_locked_at", "job_schedule", ["locked_at"])
    op.create_table(
        "outcome_rollup",
        sa.Column("schedule_id", key_text(50), nullable=False),
        sa.Column("day", key_text(10), nullable=False),
        sa.Column("kind", key_text(20), nullable=False),
        sa.Column("status", key_text(20), nullable=False),
        sa.Column("reason", key_text(40), nullable=False, comment="empty where there was none"),
        sa.Column("count", ROW_ID, nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "day", "kind", "status", "reason", name="pk_outcome_rollup"),
        comment="what was pruned from the ledger, so that the accounts still add up",
        if_not_exists=True,
    )
    op.create_table(
        "worker_instance",
        sa.Column("id", key_text(100), nullable=False),
        sa.Column("worker_type", key_text(40), nullable=False),
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("environment", key_text(100), nullable=False),
        sa.Column("version_id", ROW_ID, nullable=True),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=50), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("status", key_text(20), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("last_heartbeat_at", Instant(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=False),
        sa.Column("lease_for_seconds", sa.Float(), nullable=False, comment="how long one renewal holds"),
        sa.Column("next_wake_at", Instant(), nullable=True, comment="when its scheduler announced to look again"),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("drain_requested_at", Instant(), nullable=True),
        sa.Column("stopped_at", Instant(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_worker_instance"),
        if_not_exists=True,
    )
    create_index("ix_worker_instance_status_lease_until", "worker_instance", ["status", "lease_until"])
    op.create_table(
        "app_version_schedule",
        sa.Column("version_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("schedule_id", key_text(50), nullable=False),
        sa.Column("definition_hash", key_text(64), nullable=False),
        sa.Column("applies", sa.Boolean(), nullable=False, comment="whether this environment plans it"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["app_version.id"], name="fk_app_version_schedule_version_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "schedule_id", name="pk_app_version_schedule"),
        comment="which code knows which schedule, and in which wording",
        if_not_exists=True,
    )
    create_index("ix_app_version_schedule_schedule_id", "app_version_schedule", ["schedule_id"])
    op.create_table(
        "occurrence",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("schedule_id", key_text(50), nullable=True, comment="NULL: one job by hand"),
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("kind", key_text(20), nullable=False),
        sa.Column(
            "planned_at", Instant(), nullable=True, comment="the planned instant; NULL for requests; a range's last"
        ),
        sa.Column(
            "range_from",
            Instant(),
            nullable=True,
            comment="the first planned instant, where the row stands for several",
        ),
        sa.Column("count", ROW_ID, server_default="1", nullable=False),
        sa.Column("fire_at", Instant(), nullable=False),
        sa.Column("status", key_text(20), nullable=False),
        sa.Column("reason", key_text(40), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True, comment="the reason in words, where there is more to say"),
        sa.Column("jobs", Json(), nullable=False, comment="the jobs it runs, in order"),
        sa.Column("args", Json(), nullable=True),
        sa.Column(
            "policy",
            Json(),
            nullable=True,
            comment="parallel, stop_on_failure, start_within, timeout as they were when it was planned",
        ),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("admitted_at", Instant(), nullable=True, comment="NULL while it waits for an earlier occurrence"),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("worker_id", key_text(100), nullable=True),
        sa.Column("triggered_by", sa.String(length=200), nullable=True),
        sa.Column("request_reason", sa.Text(), nullable=True),
        sa.Column("origin_id", ROW_ID, nullable=True, comment="the occurrence that a retry repeats"),
        sa.Column("cancel_requested_at", Instant(), nullable=True),
        sa.Column("cancel_requested_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["job_schedule.id"], name="fk_occurrence_schedule_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_occurrence"),
        sa.UniqueConstraint("schedule_id", "planned_at", name="uq_occurrence_schedule_id_planned_at"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    create_index("ix_occurrence_finished_at", "occurrence", ["finished_at"])
    create_index("ix_occurrence_schedule_id_fire_at", "occurrence", ["schedule_id", "fire_at", "id"])
    create_index("ix_occurrence_schedule_id_status", "occurrence", ["schedule_id", "status"])
    op.create_table(
        "job_run",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False, comment="the fence: rises with every attempt"),
        sa.Column("occurrence_id", ROW_ID, nullable=False),
        sa.Column("schedule_id", key_text(50), nullable=True),
        sa.Column("app", key_text(100), nullable=False),
        sa.Column("job", key_text(200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="the job's place in the occurrence"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column(
            "counted",
            sa.Integer(),
            nullable=False,
            comment="attempts that count against the retries, this one included",
        ),
        sa.Column("status", key_text(20), nullable=False),
        sa.Column("reason", key_text(40), nullable=True),
        sa.Column(
            "rank",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="the negated priority: the smallest goes first",
        ),
        sa.Column("available_at", Instant(), nullable=False, comment="not to be claimed before"),
        sa.Column("start_by", Instant(), nullable=True, comment="not to be claimed after"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("worker_id", key_text(100), nullable=True),
        sa.Column("claim_token", key_text(32), nullable=True),
        sa.Column("pool", key_text(100), nullable=True),
        sa.Column("error_type", sa.String(length=200), nullable=True),
        sa.Column("error_message", LONG_TEXT, nullable=True),
        sa.Column("error_traceback", LONG_TEXT, nullable=True),
        sa.Column("exit", sa.String(length=200), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("progress_message", sa.Text(), nullable=True),
        sa.Column("result", Json(), nullable=True),
        sa.Column("notes", Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["occurrence.id"], name="fk_job_run_occurrence_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job_run"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    create_index("ix_job_run_claim", "job_run", ["app", "status", "rank", "available_at", "id"])
    create_index("ix_job_run_job_id", "job_run", ["job", "id"])
    create_index("ix_job_run_occurrence_id", "job_run", ["occurrence_id"])
    create_index("ix_job_run_schedule_id_started_at", "job_run", ["schedule_id", "started_at"])
    create_index("ix_job_run_worker_id_status", "job_run", ["worker_id", "status"])
    op.create_table(
        "job_log",
        sa.Column("run_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="of the first line in this piece"
        ),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False, comment="when the first line was written"),
        sa.Column("lines", Json(), nullable=False, comment="a list of [number, seconds since at, stream, level, text]"),
        sa.ForeignKeyConstraint(["run_id"], ["job_run.id"], name="fk_job_log_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_job_log"),
        if_not_exists=True,
    )
    # ### end Alembic commands ###
    _first_row()


def _first_row() -> None:
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT count(*) FROM installation")).scalar_one() == 0:
        connection.execute(sa.text("INSERT INTO installation (id, revision) VALUES (1, 0)"))
