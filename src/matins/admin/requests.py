"""Runs that people ask for: a schedule now, one job by itself, an occurrence once more, past fire times.

The answer is the occurrence as it was recorded: `pending` with `admitted_at` when it starts, without when it waits for
another, `skipped` with the reason when the overlap policy forbids it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from matins.admin import audit, definition, lookup, occurrences
from matins.admin.actor import Actor, checked_reason
from matins.admin.definition import Definition
from matins.admin.records import OccurrenceRecord
from matins.domain.job import Job
from matins.domain.states import OccurrenceId, OccurrenceKind, OccurrenceStatus, OverlapPolicy, ScheduleId
from matins.errors import ConflictError, UsageError
from matins.ledger.requests import Answer, Request, for_schedule, place_requests
from matins.ledger.runs import Jobs
from matins.store import views
from matins.store.engine import Store, Tx

MOST_ARGS = 65_536
"""Bytes of JSON that a request's arguments may have."""


def trigger(
    store: Store,
    actor: Actor,
    schedule_id: str,
    *,
    job: str | None = None,
    args: Mapping[str, Any] | None = None,
    reason: str | None = None,
    overlap: OverlapPolicy | None = None,
    environment: str | None = None,
) -> OccurrenceRecord:
    """Run a schedule now, or one of its jobs; it need not be enabled.

    Args:
        args: added to the schedule's own, which they override.
        overlap: what to do when it runs already; by default as the schedule says, except that nothing is cancelled.
        environment: the one asked from; a schedule of another environment is refused.

    Raises:
        NotFoundError: there is no such schedule, or the schedule has no such job.
        ConflictError: it is orphaned, unreadable, or of another environment.
        UsageError: the arguments cannot be passed on.
    """
    why, given = checked_reason(reason), checked_args(args)

    def work(tx: Tx) -> OccurrenceRecord:
        row = lookup.schedule_row(tx, schedule_id, lock=True)
        meant = runnable(row, environment)
        request = for_schedule(
            meant.declared,
            _request(row, OccurrenceKind.MANUAL, tx.now, actor, why, jobs=_chosen(meant, job), args=given),
            overlap,
        )
        return _placed(tx, request, actor, "trigger", row.id, why)

    return store.write(work)


def run_job(
    store: Store,
    actor: Actor,
    job: str,
    *,
    args: Mapping[str, Any] | None = None,
    reason: str | None = None,
    app: str | None = None,
) -> OccurrenceRecord:
    """Run one job now, without a schedule.

    Args:
        app: the application it belongs to; only needed where several in the database have a job of that name.

    Raises:
        NotFoundError: no application in the database declares such a job.
        UsageError: several do, or the arguments cannot be passed on.
    """
    why, given = checked_reason(reason), checked_args(args)

    def work(tx: Tx) -> OccurrenceRecord:
        request = Request(
            schedule_id=None,
            app=_app_of(tx, job, app),
            kind=OccurrenceKind.MANUAL,
            fire_at=tx.now,
            actor=actor.name,
            jobs=(job,),
            args=given,
            reason=why,
        )
        return _placed(tx, request, actor, "run", job, why)

    return store.write(work)


def retry(
    store: Store,
    actor: Actor,
    occurrence_id: int,
    *,
    reason: str | None = None,
    overlap: OverlapPolicy | None = None,
    environment: str | None = None,
) -> OccurrenceRecord:
    """Run an occurrence that has ended once more, with its fire time, jobs and arguments.

    Raises:
        NotFoundError: there is no such occurrence.
        ConflictError: it has not ended, stands for several fires, or its schedule can no longer run.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> OccurrenceRecord:
        row = lookup.occurrence_row(tx, occurrence_id)
        _refuse_unrepeatable(row)
        request = _repeated(tx, row, actor, why, overlap, environment)
        return _placed(tx, request, actor, "retry", row.schedule_id or row.jobs[0], why)

    return store.write(work)


def runnable(row: Any, environment: str | None) -> Definition:
    """The definition of a schedule that may run by request.

    Raises:
        ConflictError: it is orphaned, unreadable, or of another environment.
    """
    if row.removed_at is not None:
        raise ConflictError(
            f"Schedule {row.id!r} is orphaned: no running code has declared it since {row.removed_at:%Y-%m-%d %H:%M} UTC.",
            remedy="Deploy code that declares it.",
        )
    meant = definition.read(row.definition)
    if isinstance(meant, str):
        raise ConflictError(f"Schedule {row.id!r} cannot run: {meant}.", remedy="Deploy its code again.")
    if environment is not None and not meant.declared.applies_in(environment):
        raise ConflictError(
            f"Schedule {row.id!r} applies in {' and '.join(meant.declared.environments)}, not in {environment}.",
            remedy="Set APP_ENV to the environment that is meant.",
        )
    return meant


def jobs_of(tx: Tx, app: str) -> Jobs:
    """The application's jobs as its code declares them, so that pools and priorities are right."""
    return {name: Job.from_data(data) for name, data in views.code.jobs(tx, app).items()}


def checked_args(args: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The arguments as they are stored.

    Raises:
        UsageError: they are not JSON, or too long.
    """
    if args is None:
        return None
    if not isinstance(args, Mapping) or not all(isinstance(name, str) for name in args):
        raise UsageError(f"The arguments {args!r:.80} are not an object.", remedy='Write {"name": value}.')
    try:
        size = len(json.dumps(dict(args), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"The arguments cannot be written as JSON: {error}.") from None
    if size > MOST_ARGS:
        raise UsageError(
            f"The arguments have {size} bytes as JSON; {MOST_ARGS} are the most.",
            remedy="Pass a reference to where the data lies.",
        )
    return dict(args)


def _request(
    row: Any,
    kind: OccurrenceKind,
    fire_at: datetime,
    actor: Actor,
    reason: str | None,
    *,
    jobs: tuple[str, ...] = (),
    args: dict[str, Any] | None = None,
) -> Request:
    return Request(
        schedule_id=ScheduleId(row.id),
        app=row.app,
        kind=kind,
        fire_at=fire_at,
        actor=actor.name,
        jobs=jobs,
        args=args,
        reason=reason,
    )


def _chosen(meant: Definition, job: str | None) -> tuple[str, ...]:
    if job is None:
        return ()
    if job not in meant.declared.jobs:
        raise lookup.unknown(
            f"job of schedule {meant.declared.id!r} called", job, meant.declared.jobs, listing="matins jobs"
        )
    return (job,)


def _app_of(tx: Tx, job: str, app: str | None) -> str:
    declared = {name: views.code.jobs(tx, name) for name in views.code.apps(tx) if app in (None, name)}
    owners = [name for name, jobs in declared.items() if job in jobs]
    if not owners:
        raise lookup.unknown("job", job, {name for jobs in declared.values() for name in jobs}, listing="matins jobs")
    if len(owners) > 1:
        raise UsageError(
            f"Several applications declare a job {job!r}: {', '.join(owners)}.", remedy="Say which one is meant."
        )
    return owners[0]


def _refuse_unrepeatable(row: Any) -> None:
    if not OccurrenceStatus(row.status).ended:
        raise ConflictError(
            f"Occurrence {row.id} has not ended: it is {row.status}.", remedy=f"`matins cancel {row.id}` stops it."
        )
    if row.count > 1:
        raise ConflictError(
            f"Occurrence {row.id} stands for {row.count} fire times that did not run.",
            remedy=f"`matins backfill {row.schedule_id} --from TIME --to TIME` runs them.",
        )


def _repeated(
    tx: Tx, row: Any, actor: Actor, reason: str | None, overlap: OverlapPolicy | None, environment: str | None
) -> Request:
    common = {"kind": OccurrenceKind.RETRY, "fire_at": row.fire_at, "actor": actor.name, "reason": reason}
    origin = OccurrenceId(row.origin_id or row.id)
    jobs = tuple(row.jobs or ())
    if row.schedule_id is None:
        return Request(
            schedule_id=None, app=row.app, jobs=jobs, args=row.args, policy=row.policy, origin_id=origin, **common
        )
    schedule = lookup.schedule_row(tx, row.schedule_id, lock=True)
    meant = runnable(schedule, environment)
    filled = Request(
        schedule_id=ScheduleId(schedule.id), app=schedule.app, jobs=jobs, args=row.args, origin_id=origin, **common
    )
    # The arguments as they were, whatever the schedule's have become.
    return replace(for_schedule(meant.declared, filled, overlap), args=row.args)


def _placed(tx: Tx, request: Request, actor: Actor, action: str, target: str, reason: str | None) -> OccurrenceRecord:
    [answer] = place_requests(tx, [request], jobs_of(tx, request.app))
    audit.note(tx, actor, action, target, reason=reason, after=_outcome(request, answer))
    return occurrences.record(tx, answer.occurrence_id)


def _outcome(request: Request, answer: Answer) -> dict[str, Any]:
    return {
        "occurrence": answer.occurrence_id,
        "decision": answer.verdict.value,
        "reason": answer.reason,
        "jobs": list(request.jobs),
        "args": request.args,
        "fireAt": request.fire_at.isoformat(),
    }
