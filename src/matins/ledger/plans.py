"""Writing plans: occurrences, the first runs of those admitted, and the watermarks, in one transaction.

Two phases. `propose` computes, with no lock held, which fires each due schedule owes; `write_plans` locks the rows,
drops every proposal whose row has changed meanwhile (another daemon planned it, an operator switched it, a deploy
changed it: it is still due for whoever looks next), decides admission under the lock and writes everything at once. A
transaction that fails therefore loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from matins.domain.admission import OpenOccurrence
from matins.domain.planning import (
    DueFires,
    Plan,
    PlannedRow,
    account_for_skipped,
    find_due,
    next_run,
    plan,
)
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import OccurrenceId, OccurrenceStatus, Reason, ScheduleId
from matins.domain.triggers import Trigger
from matins.errors import FiresExhausted
from matins.ledger.cancels import replace_waiting, request_cancel
from matins.ledger.claims import ClaimedRun
from matins.ledger.rows import LockedRows, OccurrenceRow
from matins.ledger.runs import Jobs, start_positions
from matins.ledger.settle import Settlement, open_occurrences
from matins.ledger.starts import Offer, Starts, read_claims, shown_on_schedules
from matins.store import schedules
from matins.store.engine import Tx
from matins.store.schedules import PlannableSchedule, Watermark
from matins.store.tables import occurrence

RECHECK = timedelta(seconds=30)
"""After how long a trigger of the user's own, whose stored fires are used up, is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one schedule owes now: either fires to decide on, or a finished plan of skips (`skipped`)."""

    schedule: PlannableSchedule
    definition: ScheduleDefinition
    trigger: Trigger
    due: DueFires | None = None
    skipped: Plan | None = None
    disabled_since: datetime | None = None
    """What remains to be accounted for of a disabled range after this."""
    more: bool = False


@dataclass(slots=True, kw_only=True)
class Written:
    """What was written: per schedule its plan, and what its cancellations led to."""

    plans: list[tuple[ScheduleId, Plan]] = field(default_factory=list)
    settlement: Settlement = field(default_factory=Settlement)
    pending: int = 0
    """How many occurrences were admitted and wait for somebody to claim them."""
    claimed: list[ClaimedRun] = field(default_factory=list)
    """The runs that this transaction started; their claims are the offering worker's."""
    more: bool = False


def propose(schedule: PlannableSchedule, definition: ScheduleDefinition, trigger: Trigger, now: datetime) -> Proposal:
    """What the schedule owes at this moment. Pure."""
    through = schedule.planned_through or now
    if schedule.disabled_since is None:
        due = find_due(trigger, definition, through, now)
        return Proposal(schedule=schedule, definition=definition, trigger=trigger, due=due, more=due.more)
    since, until = schedule.disabled_since, schedule.enabled_changed_at or now
    before = account_for_skipped(trigger, definition, through, since, Reason.MISSED)
    if before.rows:
        return Proposal(
            schedule=schedule,
            definition=definition,
            trigger=trigger,
            skipped=before,
            disabled_since=since,
            more=True,
        )
    off = account_for_skipped(trigger, definition, through, until, Reason.DISABLED)
    finished = off.planned_through >= until - definition.jitter_offset
    return Proposal(
        schedule=schedule,
        definition=definition,
        trigger=trigger,
        skipped=off,
        disabled_since=None if finished else since,
        more=True,
    )


def write_plans(
    tx: Tx, proposals: Sequence[Proposal], jobs: Jobs, *, chance: Callable[[], float], offer: Offer | None = None
) -> Written:
    """Write what still holds of these proposals, and start at once what the offer has room for."""
    written = Written()
    held = schedules.lock_for_planning(tx, [one.schedule.id for one in proposals])
    current = [one for one in proposals if _unchanged(one, held.get(one.schedule.id))]
    rows = LockedRows(tx)
    standing = open_occurrences(rows, [one.schedule.id for one in current if one.due])
    decided = [(one, _decide(one, standing.get(one.schedule.id, ()), tx.now)) for one in current]
    written.plans = [(one.schedule.id, made) for one, made in decided]
    written.more = any(one.more for one in current) or len(current) < len(proposals)
    starts = Starts(offer, jobs)
    for one, made in decided:
        starts.choose(one.schedule.id, one.definition.jobs, one.definition.parallel, made)
    insert_rows(tx, decided, starts)
    # After the rows are there: one that had not begun ends at once, and the fire that waited for it comes up.
    _cancel_for(rows, decided, jobs, chance, written)
    started = _start_admitted(rows, decided, jobs, starts)
    rows.flush()
    written.claimed = read_claims(tx, started, held)
    written.pending = _admitted(decided) - len(started)
    shown = {} if offer is None else shown_on_schedules(tx.now, written.claimed, offer.worker_id, held)
    schedules.write_watermarks(tx, [_watermark(one, made, tx.now) for one, made in decided], shown)
    return written


def _admitted(decided: Sequence[tuple[Proposal, Plan]]) -> int:
    return sum(row.admitted for _, made in decided for row in made.rows)


def _unchanged(proposal: Proposal, held: PlannableSchedule | None) -> bool:
    return held is not None and held.state == proposal.schedule.state


def _decide(proposal: Proposal, standing: Sequence[OpenOccurrence], now: datetime) -> Plan:
    if proposal.skipped is not None:
        return proposal.skipped
    due = proposal.due or DueFires(after=proposal.schedule.planned_through or now)
    made = plan(proposal.definition, due, standing, now)
    # A row without a readable watermark is planned from now on.
    return made if due else replace(made, planned_through=due.after)


def _watermark(proposal: Proposal, made: Plan, now: datetime) -> Watermark:
    following = following_run(proposal.trigger, proposal.definition, made.planned_through, now)
    return Watermark(
        id=proposal.schedule.id,
        planned_through=made.planned_through,
        next_run_at=following,
        never_fires=following is None,
        disabled_since=proposal.disabled_since,
    )


def following_run(
    trigger: Trigger, definition: ScheduleDefinition, planned_through: datetime, now: datetime
) -> datetime | None:
    """When the schedule fires next; None for never, which is also what a fire in the last thousand years means.

    For a trigger of the user's own whose stored fires are used up it is when to look again.
    """
    try:
        following = next_run(trigger, definition, planned_through)
    except FiresExhausted:
        return now + RECHECK
    return None if following is None or following >= schedules.FAR else following


def _cancel_for(
    rows: LockedRows,
    decided: Sequence[tuple[Proposal, Plan]],
    jobs: Jobs,
    chance: Callable[[], float],
    written: Written,
) -> None:
    cancels = [id_ for _, made in decided for id_ in made.cancels]
    replaced = [id_ for _, made in decided for id_ in made.replaces]
    if not cancels and not replaced:
        return
    rows.lock_schedules(proposal.schedule.id for proposal, made in decided if made.cancels or made.replaces)
    rows.lock_occurrences([*cancels, *replaced])
    replace_waiting(rows, replaced)
    written.settlement = request_cancel(rows, cancels, jobs, actor="overlap policy", chance=chance)


def insert_rows(tx: Tx, decided: Sequence[tuple[Proposal, Plan]], starts: Starts | None = None) -> None:
    """Insert the ledger rows of these plans; the caller moves the watermarks in the same transaction."""
    starts = starts or Starts(None, {})
    tx.dialect.insert_many(
        tx.connection,
        occurrence,
        [
            {
                **_occurrence(tx.now, proposal, row),
                **starts.occurrence_values((proposal.schedule.id, row.planned_at), tx.now),
            }
            for proposal, made in decided
            for row in made.rows
        ],
    )


def _occurrence(now: datetime, proposal: Proposal, row: PlannedRow) -> dict[str, Any]:
    definition = proposal.definition
    status = OccurrenceStatus.SKIPPED if row.skipped else OccurrenceStatus.PENDING
    return {
        "schedule_id": proposal.schedule.id,
        "app": proposal.schedule.app,
        "kind": row.kind,
        "planned_at": row.planned_at,
        "range_from": row.range_from,
        "count": row.count,
        "fire_at": row.fire_at,
        "status": status,
        "reason": row.reason,
        "jobs": [] if row.skipped else list(definition.jobs),
        "args": definition.args or None,
        "policy": policy_of(definition),
        "created_at": now,
        "admitted_at": now if row.admitted else None,
        "finished_at": now if row.skipped else None,
    }


def policy_of(definition: ScheduleDefinition) -> dict[str, Any] | None:
    """What of a definition an occurrence keeps, so that a later deploy does not change one under way."""
    given = {
        "parallel": definition.parallel if definition.parallel != 1 else None,
        "stop_on_failure": definition.stop_on_failure or None,
        "start_within": definition.start_within_seconds,
        "timeout": definition.timeout_seconds,
    }
    return {name: value for name, value in given.items() if value is not None} or None


def _start_admitted(
    rows: LockedRows, decided: Sequence[tuple[Proposal, Plan]], jobs: Jobs, starts: Starts
) -> list[tuple[str, OccurrenceRow]]:
    """Add the first runs of what was admitted; answers those started at once, each with its claim's token."""
    admitted = {
        (proposal.schedule.id, row.planned_at): (proposal, row)
        for proposal, made in decided
        for row in made.rows
        if row.admitted
    }
    if not admitted:
        return []
    tx = rows.tx
    query = select(occurrence.c.id, occurrence.c.schedule_id, occurrence.c.planned_at).where(
        tx.dialect.is_one_of(occurrence.c.schedule_id, sorted({id_ for id_, _ in admitted})),
        occurrence.c.status.in_((OccurrenceStatus.PENDING, OccurrenceStatus.RUNNING)),
        occurrence.c.created_at == tx.now,
    )
    started = []
    for inserted in tx.execute(query):
        key = (inserted.schedule_id, inserted.planned_at)
        if key not in admitted:
            continue
        row = _just_inserted(tx.now, inserted.id, *admitted[key])
        before = len(rows.new_runs)
        start_positions(rows, row, jobs, range(min(len(row.jobs), row.policy.get("parallel", 1))))
        if key in starts.tokens:
            row.started_at = tx.now
            starts.claim_rows(rows, key, rows.new_runs[before:])
            started.append((starts.tokens[key], row))
    return started


def _just_inserted(now: datetime, id_: OccurrenceId, proposal: Proposal, row: PlannedRow) -> OccurrenceRow:
    """The occurrence that this transaction has inserted, without reading it back."""
    definition = proposal.definition
    return OccurrenceRow(
        id=id_,
        schedule_id=proposal.schedule.id,
        app=proposal.schedule.app,
        kind=row.kind,
        fire_at=row.fire_at,
        status=OccurrenceStatus.PENDING,
        reason=None,
        admitted_at=now,
        started_at=None,
        finished_at=None,
        worker_id=None,
        cancel_requested_at=None,
        cancel_requested_by=None,
        jobs=definition.jobs,
        args=definition.args,
        policy=policy_of(definition) or {},
    )
