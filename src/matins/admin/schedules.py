"""Schedules as people see them: the list, and one with its next fires and its last occurrences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matins.admin import definition, lookup, occurrences, shaping
from matins.admin.records import ScheduleDetail, ScheduleRecord
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import ScheduleId
from matins.store import views
from matins.store.engine import Store, Tx

UPCOMING = 10
RECENT = 10


def list_schedules(
    store: Store,
    *,
    text: str | None = None,
    tag: str | None = None,
    enabled: bool | None = None,
    environment: str | None = None,
    described: bool = True,
) -> tuple[ScheduleRecord, ...]:
    """Every schedule that matches, by id; orphaned ones too.

    Args:
        text: must occur in id, name or description, letters' case ignored.
        tag: one that some job of the schedule has.
        environment: the one to answer for, in `applies` and `next_run_at`; None asks for none in particular.
        described: False leaves `trigger_description` empty, which costs most with many different cron expressions.
    """

    def work(tx: Tx) -> tuple[ScheduleRecord, ...]:
        rows = [row for row in views.schedules.every(tx, enabled=enabled) if _contains(row, text)]
        tags = job_tags(tx, {row.app for row in rows})
        if tag is not None:
            rows = [row for row in rows if _has_tag(row, tag, tags[row.app])]
        return tuple(
            shaping.schedule(row, tags=tags[row.app], environment=environment, now=tx.now, described=described)
            for row in rows
        )

    return store.read(work)


def get_schedule(store: Store, schedule_id: str, *, environment: str | None = None) -> ScheduleDetail:
    """One schedule.

    Raises:
        NotFoundError: there is none of that id; near misses are named.
    """
    return store.read(lambda tx: detail(tx, schedule_id, environment))


def detail(tx: Tx, schedule_id: str, environment: str | None = None) -> ScheduleDetail:
    """One schedule, as this transaction sees it."""
    row = lookup.schedule_row(tx, schedule_id)
    values = shaping.schedule_values(row, tags=job_tags(tx, {row.app})[row.app], environment=environment, now=tx.now)
    meant = definition.read(row.definition)
    if isinstance(meant, str):
        # Only what is not readable is missing: what operators own is shown all the same.
        declared = ScheduleDefinition(id=ScheduleId(row.id), trigger={}, jobs=())
        upcoming: tuple[Any, ...] = ()
    else:
        declared = meant.declared
        idle = values["orphaned"] or values["quarantined"]
        upcoming = () if idle else meant.next_runs(tx.now, UPCOMING)
    return ScheduleDetail(
        **values,
        selection=declared.selection,
        args=declared.args,
        grace_seconds=declared.grace_seconds,
        catch_up_window_seconds=declared.catch_up_window_seconds,
        start_within_seconds=declared.start_within_seconds,
        timeout_seconds=declared.timeout_seconds,
        jitter_seconds=declared.jitter_seconds,
        jitter_offset_seconds=declared.jitter_offset.total_seconds(),
        parallel=declared.parallel,
        stop_on_failure=declared.stop_on_failure,
        defined_at=declared.defined_at,
        upcoming=upcoming,
        recent=occurrences.latest(tx, row.id, RECENT),
    )


def job_tags(tx: Tx, apps: set[str]) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Per application, the tags of its jobs."""
    return {
        app: {name: tuple(job.get("tags") or ()) for name, job in views.code.jobs(tx, app).items()}
        for app in sorted(apps)
    }


def _contains(row: Any, text: str | None) -> bool:
    if not text:
        return True
    data = row.definition if isinstance(row.definition, dict) else {}
    return any(text.casefold() in str(part).casefold() for part in (row.id, row.name, data.get("description", "")))


def _has_tag(row: Any, tag: str, tags: Mapping[str, Sequence[str]]) -> bool:
    data = row.definition if isinstance(row.definition, dict) else {}
    return any(tag in tags.get(job, ()) for job in data.get("jobs") or ())
