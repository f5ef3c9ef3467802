"""One turn of a dispatcher as one transaction: the finishes of one batch and the claims of the next.

Durability then costs a transaction a batch, not a run. Candidates are locked first (nobody waits for pending runs), then
every schedule and occurrence that either half concerns, in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from matins.domain.states import OccurrenceId, RunId
from matins.ledger import claims
from matins.ledger.claims import Candidate, ClaimedRun
from matins.ledger.returns import Returned, find_returned, give_back
from matins.ledger.rows import LockedRows
from matins.ledger.runs import Jobs
from matins.ledger.settle import Finish, Settlement, settle
from matins.store import logs
from matins.store.engine import Tx
from matins.store.logs import StoredLine
from matins.store.tables import job_run, occurrence

Choose = Callable[[Sequence[Candidate]], Sequence[Candidate]]
"""Which candidates the executor has room for, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a turn writes, and how much it wants to claim."""

    app: str
    worker_id: str
    finishes: Sequence[Finish] = ()
    returns: Mapping[RunId, str] = field(default_factory=dict)
    lines: Sequence[tuple[RunId, Sequence[StoredLine]]] = ()
    progress: Mapping[RunId, tuple[float | None, str]] = field(default_factory=dict)
    tokens: Mapping[RunId, str] = field(default_factory=dict)
    """The claims of the runs whose progress is told."""
    limit: int = 0
    unknown_jobs: Sequence[str] = ()
    pools: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class Done:
    """What a turn did."""

    settlement: Settlement
    added: int = 0
    """New rows of runs, those of later attempts included."""
    claimed: list[ClaimedRun] = field(default_factory=list)
    returned: int = 0
    looked_at: int = 0
    unknown: tuple[str, ...] = ()
    next_available_at: datetime | None = None


def take_turn(tx: Tx, work: Work, jobs: Jobs, choose: Choose, *, chance: Callable[[], float]) -> Done:
    """Write what ended and claim what comes next."""
    room = claims.pool_room(tx, work.app, work.pools) if work.limit and work.pools else {}
    found, chosen, unknown = _candidates(tx, work, jobs, room, choose)
    rows = LockedRows(tx)
    given_back = find_returned(tx, work.returns)
    concerned: list[Finish | Candidate | Returned] = [*work.finishes, *chosen, *given_back]
    rows.lock_schedules(one.schedule_id for one in concerned)
    rows.lock_occurrences(one.occurrence_id for one in concerned)
    logs.append(tx, work.lines)
    _write_progress(tx, work)
    settlement = settle(rows, work.finishes, jobs, chance=chance)
    returned = give_back(rows, given_back, work.returns)
    claimed, refused = claims.claim(rows, chosen, work.worker_id)
    settlement.absorb(settle(rows, refused, jobs, chance=chance))
    added = rows.flush()
    return Done(
        added=added,
        settlement=settlement,
        claimed=claimed,
        returned=returned,
        looked_at=found,
        unknown=unknown,
        next_available_at=claims.next_available_at(tx, work.app) if work.limit and found < work.limit else None,
    )


def cancelled_occurrences(tx: Tx, held: Sequence[OccurrenceId]) -> set[OccurrenceId]:
    """Those of the occurrences that were asked to stop."""
    query = select(occurrence.c.id).where(
        tx.dialect.is_one_of(occurrence.c.id, sorted(held)), occurrence.c.cancel_requested_at.is_not(None)
    )
    return {row.id for row in tx.execute(query)}


def _candidates(
    tx: Tx, work: Work, jobs: Jobs, room: dict[str, int], choose: Choose
) -> tuple[int, list[Candidate], tuple[str, ...]]:
    if not work.limit:
        return 0, [], ()
    heard: set[str] = set()
    found = _within_reach(tx, work, room)
    while unheard := sorted({one.pool for one in found if one.pool is not None} - room.keys() - heard):
        # Pools of code that is no longer this daemon's: their last size holds, and those that are full hold up nobody.
        heard |= set(unheard)
        room |= claims.pool_room(tx, work.app, unheard)
        found = _within_reach(tx, work, room)
    unknown = tuple({one.job for one in found if one.job not in jobs})
    known = claims.within_pools([one for one in found if one.job in jobs], room)
    return len(found), list(choose(known)), unknown


def _within_reach(tx: Tx, work: Work, room: Mapping[str, int]) -> list[Candidate]:
    full = [name for name, left in room.items() if left <= 0]
    return claims.candidates(tx, work.app, limit=work.limit, without_jobs=work.unknown_jobs, without_pools=full)


def _write_progress(tx: Tx, work: Work) -> None:
    tx.dialect.update_many(
        tx.connection,
        job_run,
        ["id", "claim_token"],
        [
            {"id": id_, "claim_token": work.tokens[id_], "progress": fraction, "progress_message": message}
            for id_, (fraction, message) in work.progress.items()
            if id_ in work.tokens
        ],
    )
