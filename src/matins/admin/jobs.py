"""Jobs as people see them: what the code that runs now declares (else the newest known), and how they went last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matins.admin import lookup, shaping
from matins.admin.records import JobRecord
from matins.domain.job import Job
from matins.store import views
from matins.store.engine import Store, Tx


def list_jobs(store: Store, *, tag: str | None = None, app: str | None = None) -> tuple[JobRecord, ...]:
    """Every job, by application and name."""
    return store.read(lambda tx: tuple(_jobs(tx, app, lambda job: tag is None or tag in job.tags)))


def get_job(store: Store, name: str, *, app: str | None = None) -> JobRecord:
    """One job; of several applications' jobs of that name the first application's.

    Raises:
        NotFoundError: none is declared.
    """

    def work(tx: Tx) -> JobRecord:
        found = _jobs(tx, app, lambda job: job.name == name)
        if not found:
            known = {known for one in views.code.apps(tx) for known in views.code.jobs(tx, one)}
            raise lookup.unknown("job", name, known, listing="matins jobs")
        return found[0]

    return store.read(work)


def _jobs(tx: Tx, app: str | None, wanted: Any) -> list[JobRecord]:
    found = []
    for one in views.code.apps(tx):
        if app not in (None, one):
            continue
        jobs = [Job.from_data(data) for _, data in sorted(views.code.jobs(tx, one).items())]
        chosen = [job for job in jobs if wanted(job)]
        users = _users(tx, one) if chosen else {}
        found += [_record(tx, one, job, users.get(job.name, ())) for job in chosen]
    return found


def _users(tx: Tx, app: str) -> Mapping[str, Sequence[str]]:
    """Which schedules that are still in the code run which job."""
    users: dict[str, list[str]] = {}
    for row in views.schedules.every(tx, app=app):
        if row.removed_at is None and isinstance(row.definition, dict):
            for job in row.definition.get("jobs") or ():
                users.setdefault(job, []).append(row.id)
    return users


def _record(tx: Tx, app: str, job: Job, schedules: Sequence[str]) -> JobRecord:
    last = views.runs.last_of_job(tx, app, job.name)
    return JobRecord(
        name=job.name,
        app=app,
        description=job.description,
        tags=job.tags,
        kind="function" if job.command is None else "shell",
        timeout_seconds=job.timeout_seconds,
        retries=job.retries,
        on_lost=job.on_lost,
        isolation=job.isolation,
        pool=job.pool,
        priority=job.priority,
        defined_at=job.defined_at,
        schedules=tuple(schedules),
        last_run=None if last is None else shaping.run(last),
    )
