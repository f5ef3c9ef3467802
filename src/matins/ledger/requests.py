"""Occurrences that people ask for: run now, once more, for past fire times, or one job by itself.

Admission is decided at once, under the schedule's lock, by the overlap policy the request names (by default the
schedule's own, except that a request never cancels what runs unless it asks for that). A request that is skipped is
recorded and answered as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from matins.domain.admission import OpenOccurrence, Verdict, admit
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import OccurrenceId, OccurrenceKind, OccurrenceStatus, OverlapPolicy, Reason, ScheduleId
from matins.ledger.cancels import replace_waiting, request_cancel
from matins.ledger.plans import policy_of
from matins.ledger.rows import LockedRows
from matins.ledger.runs import Jobs, start_positions
from matins.ledger.settle import open_occurrences
from matins.store import installation
from matins.store.engine import Tx
from matins.store.tables import occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. `jobs` None means the schedule's own."""

    schedule_id: ScheduleId | None
    app: str
    kind: OccurrenceKind
    fire_at: datetime
    actor: str
    jobs: tuple[str, ...] = ()
    args: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None
    reason: str | None = None
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    buffer_limit: int = 1000
    origin_id: OccurrenceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was decided: it starts, it waits, or it was skipped and why."""

    occurrence_id: OccurrenceId
    verdict: Verdict
    reason: Reason | None


def for_schedule(definition: ScheduleDefinition, request: Request, overlap: OverlapPolicy | None) -> Request:
    """Fill in what a request leaves to its schedule."""
    inherited = definition.overlap
    if inherited is OverlapPolicy.CANCEL_RUNNING:
        inherited = OverlapPolicy.BUFFER_ALL
    return Request(
        schedule_id=definition.id,
        app=request.app,
        kind=request.kind,
        fire_at=request.fire_at,
        actor=request.actor,
        jobs=request.jobs or definition.jobs,
        args={**definition.args, **(request.args or {})} or None,
        policy=policy_of(definition),
        reason=request.reason,
        overlap=overlap or inherited,
        buffer_limit=definition.buffer_limit,
        origin_id=request.origin_id,
    )


def place_requests(tx: Tx, requests: Sequence[Request], jobs: Jobs) -> list[Answer]:
    """Admit and insert these requests, in order, each seeing those before it; daemons are told."""
    rows = LockedRows(tx)
    rows.lock_schedules(request.schedule_id for request in requests)
    standing = open_occurrences(rows, list(rows.schedules))
    answers = [_place(rows, request, _standing(standing, request), jobs) for request in requests]
    rows.flush()
    installation.touch(tx)
    return answers


def _standing(known: dict[ScheduleId, list[OpenOccurrence]], request: Request) -> list[OpenOccurrence]:
    return [] if request.schedule_id is None else known.setdefault(request.schedule_id, [])


def _place(rows: LockedRows, request: Request, standing: list[OpenOccurrence], jobs: Jobs) -> Answer:
    verdict = admit(request.kind, request.overlap, standing, buffer_limit=request.buffer_limit)
    admitted = verdict.verdict is Verdict.START
    id_ = _insert(rows.tx, request, verdict.reason, admitted=admitted)
    if verdict.cancels or verdict.replaces:
        rows.lock_occurrences([*verdict.cancels, *verdict.replaces])
        replace_waiting(rows, verdict.replaces)
        done = request_cancel(rows, verdict.cancels, jobs, actor=request.actor, chance=lambda: 0.5)
        standing[:] = _still_open(rows, request)
        if id_ in done.admitted:
            return Answer(occurrence_id=id_, verdict=Verdict.START, reason=None)
    elif verdict.verdict is not Verdict.SKIP:
        standing.append(OpenOccurrence(id=id_, kind=request.kind, admitted=admitted, fire_at=request.fire_at))
    if admitted:
        rows.lock_occurrences([id_])
        row = rows.occurrences[id_]
        start_positions(rows, row, jobs, range(min(len(row.jobs), row.policy.get("parallel", 1))))
    return Answer(occurrence_id=id_, verdict=verdict.verdict, reason=verdict.reason)


def _still_open(rows: LockedRows, request: Request) -> list[OpenOccurrence]:
    return [] if request.schedule_id is None else open_occurrences(rows, [request.schedule_id])[request.schedule_id]


def _insert(tx: Tx, request: Request, reason: Reason | None, *, admitted: bool) -> OccurrenceId:
    skipped = reason is not None
    inserted = tx.execute(
        insert(occurrence).values(
            schedule_id=request.schedule_id,
            app=request.app,
            kind=request.kind,
            fire_at=request.fire_at,
            status=OccurrenceStatus.SKIPPED if skipped else OccurrenceStatus.PENDING,
            reason=reason,
            jobs=list(request.jobs),
            args=request.args,
            policy=request.policy,
            created_at=tx.now,
            admitted_at=tx.now if admitted else None,
            finished_at=tx.now if skipped else None,
            triggered_by=request.actor,
            request_reason=request.reason,
            origin_id=request.origin_id,
        )
    )
    key = inserted.inserted_primary_key
    return OccurrenceId(key[0] if key is not None else 0)
