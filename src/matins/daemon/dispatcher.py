"""The dispatcher: claims pending runs, hands them to the executor and records how they end.

Each turn takes what the executor reported since the last one, writes it and the next claims in one transaction, and
only then hands the claimed runs out, if the lease still holds. What could not be written stays in the outbox until it
is; nothing is claimed while the lease is in doubt, so that the outbox is bounded by the number of slots.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from matins.daemon.held import Holdings, Outbox, order_for
from matins.daemon.loop import AT_ONCE, Pause
from matins.daemon.reports import tell_settlement
from matins.daemon.worker import WorkerState
from matins.domain.job import Job
from matins.domain.states import RunId, RunStatus
from matins.errors import DatabaseUnavailable
from matins.execution import port
from matins.execution.port import Executor, StopReason
from matins.ledger.claims import Candidate, ClaimedRun
from matins.ledger.runs import Jobs, job_of
from matins.ledger.settle import Finish, Settlement
from matins.ledger.starts import Offer
from matins.ledger.turn import Done, Work, cancelled_occurrences, take_turn
from matins.store.engine import Store
from matins.telemetry.events import EventBus, FinishUnstorable

SMALLEST_BATCH = 8
LARGEST_BATCH = 128
"""How many pending runs one turn looks at: few at first, more as they turn out to be claimable."""
LONGEST_REST = 60.0


class ExecutorWaiter:
    """Waits on the executor, keeping what it reports for the next turn."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._inbox: list[port.Event] = []

    def wait(self, seconds: float) -> None:
        self._inbox += self._executor.poll(seconds)

    def wake(self) -> None:
        self._executor.wake()

    def take(self) -> list[port.Event]:
        """What was reported and not taken yet."""
        self.wait(0)
        taken, self._inbox = self._inbox, []
        return taken


class Dispatcher:
    """Claims, hands out, records."""

    name = "dispatcher"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        executor: Executor,
        waiter: ExecutorWaiter,
        jobs: Callable[[], Jobs],
        pools: Callable[[], Sequence[str]],
        bus: EventBus,
        default_timeout: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._state = state
        self._executor = executor
        self._waiter = waiter
        self._jobs = jobs
        self._pools = pools
        self._bus = bus
        self._default_timeout = default_timeout
        self._chance = chance
        self._holdings = Holdings(state.database_clock.at, bus)
        self._started: deque[Sequence[ClaimedRun]] = deque()
        self._unknown_jobs: set[str] = set()
        self._look = threading.Event()
        self._check_cancels = threading.Event()
        self._drop = threading.Event()
        self._next_available_at: datetime | None = None
        self._batch = SMALLEST_BATCH
        self._repeated: Job | None = None

    def work_arrived(self) -> None:
        """There may be pending runs; from any thread."""
        self._look.set()
        self._waiter.wake()

    def operators_acted(self) -> None:
        """There may be pending runs or cancellations; from any thread."""
        self._check_cancels.set()
        self.work_arrived()

    def drop_everything(self) -> None:
        """Forget every run: this worker was declared dead, and they are others' now. From any thread."""
        self._drop.set()
        self._waiter.wake()

    def offer(self) -> Offer | None:
        """What can begin here at once; nothing while others wait for their turn. From any thread."""
        if self._look.is_set() or self._started or not self._state.may_start:
            return None
        return Offer(worker_id=self._state.id, free=self._executor.capacity(), room=self._executor.capacity)

    def accept(self, claims: Sequence[ClaimedRun]) -> None:
        """Take over runs that planning started on this dispatcher's offer; from any thread."""
        if claims:
            self._started.append(claims)
            self._waiter.wake()

    def code_changed(self) -> None:
        """Jobs that were not known may be now; from any thread."""
        self._unknown_jobs = set()
        self.work_arrived()

    @property
    def held_ids(self) -> set[RunId]:
        """The runs this daemon holds; from any thread."""
        return set(self._holdings.runs.copy()) | {claim.id for claims in tuple(self._started) for claim in claims}

    def run_once(self) -> Pause:
        if self._drop.is_set():
            self._drop_all()
        self._hand_out_started()
        for event in self._waiter.take():
            self._holdings.note(event)
        self._stop_cancelled()
        limit = self._limit()
        if self._holdings.outbox or limit:
            self._turn(limit)
        self._state.running = len(self._holdings.runs)
        return self._rest()

    def end_runs(self, grace_seconds: float) -> int:
        """Stop what still runs within the grace; answers how many runs were interrupted."""
        self._hand_out_started()
        for event in [*self._waiter.take(), *self._executor.close(grace_seconds)]:
            self._holdings.note(event)
        finishes = self._holdings.outbox.finishes.values()
        return sum(finish.status is RunStatus.INTERRUPTED for finish in finishes)

    def record_ends(self) -> None:
        """Write what is not written yet, after `end_runs`."""
        if self._holdings.outbox:
            self._turn(0)

    def _hand_out_started(self) -> None:
        """Hand out what planning started here; a claim is in one place or the other at every moment."""
        while self._started:
            self._hand_out(self._started[0])
            self._started.popleft()

    def _turn(self, limit: int) -> None:
        """One transaction, then what follows from it outside. The outbox is kept until it is written."""
        outbox = self._holdings.outbox
        told = [*outbox.finishes, *outbox.returns]
        if limit:
            self._look.clear()
        try:
            done = self._store.write(
                lambda tx: take_turn(tx, self._work(outbox, limit), self._jobs(), self._choose, chance=self._chance)
            )
        except Exception as error:  # whatever one outcome does to the ledger, the others must be recorded
            self._look.set()
            if isinstance(error, DatabaseUnavailable) or not outbox:
                raise
            done = self._write_singly(outbox)
        self._holdings.outbox = Outbox()
        self._holdings.release(told)
        self._hand_out(done.claimed)
        self._learn(done, limit)
        tell_settlement(self._bus, done.settlement)

    def _work(self, outbox: Outbox, limit: int) -> Work:
        held = self._holdings.runs
        return Work(
            app=self._state.app,
            worker_id=self._state.id,
            finishes=list(outbox.finishes.values()),
            returns=outbox.returns,
            lines=outbox.lines,
            progress=outbox.progress,
            tokens={id_: held[id_].claim.claim_token for id_ in outbox.progress if id_ in held},
            limit=limit,
            unknown_jobs=tuple(self._unknown_jobs),
            pools=self._pools(),
        )

    def _write_singly(self, outbox: Outbox) -> Done:
        """A batch that fails is written piece by piece; an outcome that cannot be stored is stored as that."""
        all_done = Done(settlement=Settlement())
        for piece in outbox.pieces():
            done = self._write_piece(piece)
            outbox.forget(piece)
            self._holdings.release([*piece.finishes, *piece.returns])
            all_done.added += done.added
            all_done.settlement.absorb(done.settlement)
        return all_done

    def _write_piece(self, piece: Outbox) -> Done:
        try:
            return self._write(piece)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - see `_turn`
            plain = {id_: _unstorable(finish, str(error)) for id_, finish in piece.finishes.items()}
            for id_ in plain:
                self._bus.emit(FinishUnstorable(run=id_, error=str(error)))
        try:
            return self._write(Outbox(finishes=plain)) if plain else Done(settlement=Settlement())
        except DatabaseUnavailable:
            raise
        except Exception:  # noqa: BLE001 - its row itself is at fault; it is no longer held, and so recovered as lost
            return Done(settlement=Settlement())

    def _write(self, outbox: Outbox) -> Done:
        work = self._work(outbox, 0)
        return self._store.write(lambda tx: take_turn(tx, work, self._jobs(), self._choose, chance=self._chance))

    def _limit(self) -> int:
        """How many candidates to look at: none unless there may be some, somebody is free, and the lease holds."""
        if self._next_available_at is not None and self._state.database_clock.now() >= self._next_available_at:
            self._look.set()
        if not self._look.is_set() or not self._state.may_start:
            return 0
        room = max(self._executor.capacity(), self._executor.capacity(self._repeated) if self._repeated else 0)
        return min(room, self._batch)

    def _choose(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Fill idle slots with whatever comes first; places ahead only with what may be repeated."""
        free = self._executor.capacity()
        places: dict[str, int] = {}
        chosen: list[Candidate] = []
        for one in found:
            job = job_of(self._jobs(), one.job)
            if job.name not in places:
                places[job.name] = self._executor.capacity(job) if job.repeatable else free
            if len(chosen) < places[job.name]:
                chosen.append(one)
        return chosen

    def _hand_out(self, claimed: Sequence[ClaimedRun]) -> None:
        self._holdings.take(claimed)
        now = self._state.database_clock.now()
        for claim in claimed:
            if self._state.stopping or not self._state.trusts_lease:
                self._holdings.outbox.returns[claim.id] = claim.claim_token
                continue
            self._executor.submit(order_for(claim, self._jobs(), default_timeout=self._default_timeout, now=now))

    def _learn(self, done: Done, limit: int) -> None:
        """What this turn tells about the next: whether to look again, how far, and when."""
        self._unknown_jobs |= set(done.unknown)
        if done.added or done.returned or done.unknown or (limit and done.looked_at >= limit):
            self._look.set()
        if len(done.claimed) < done.looked_at:
            self._look.set()
            self._batch = max(SMALLEST_BATCH, 2 * len(done.claimed))
        elif limit and done.looked_at >= limit:
            self._batch = min(LARGEST_BATCH, self._batch * 2)
        if limit:
            self._next_available_at = done.next_available_at
        for _, _, at in done.settlement.retries:
            self._next_available_at = min(at, self._next_available_at or at)
        for claim in done.claimed[:1]:
            job = job_of(self._jobs(), claim.job)
            self._repeated = job if job.repeatable else None

    def _rest(self) -> Pause:
        if self._holdings.outbox or self._limit():
            return AT_ONCE
        if self._next_available_at is None:
            return Pause(LONGEST_REST)
        seconds = (self._next_available_at - self._state.database_clock.now()).total_seconds()
        return Pause(min(max(seconds, 0.001), LONGEST_REST))

    def _stop_cancelled(self) -> None:
        if not self._check_cancels.is_set():
            return
        self._check_cancels.clear()
        held = self._holdings.runs
        if not held:
            return
        asked = self._store.read(
            lambda tx: cancelled_occurrences(tx, [one.claim.occurrence_id for one in held.values()])
        )
        for run_id, one in held.items():
            if one.claim.occurrence_id in asked and not one.stop_asked:
                one.stop_asked = True
                self._executor.stop(run_id, StopReason.CANCEL)

    def _drop_all(self) -> None:
        self._drop.clear()
        self._started.clear()
        for run_id in self._holdings.runs:
            self._executor.stop(run_id, StopReason.LEASE)
        self._holdings.release(list(self._holdings.runs))
        self._holdings.outbox = Outbox()


def _unstorable(finish: Finish, error: str) -> Finish:
    return replace(
        finish,
        status=RunStatus.FAILED,
        error_type="Unstorable",
        error_message=f"The run ended as {finish.status}, but its outcome could not be stored: {error}"[:2000],
        error_traceback=None,
        exit=None,
        result=None,
        notes=(),
    )
