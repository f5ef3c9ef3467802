"""The reaper: declares workers dead whose lease is over, recovers what they held, and ends what waited too long.

It sleeps until the earliest lease of another worker could be over. It declares nobody dead until heartbeats of its own
have gone through for a whole lock timeout: when the database was away for everybody, everybody's lease has run out,
and nobody's work is to be killed for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from matins.daemon.loop import AT_ONCE, Pause
from matins.daemon.reports import tell_settlement
from matins.daemon.worker import WorkerState
from matins.domain.job import Job
from matins.domain.states import RunId
from matins.ledger import recovery
from matins.ledger.runs import Jobs
from matins.ledger.settle import Finish, Settlement
from matins.store import versions, workers
from matins.store.engine import Store, Tx
from matins.store.workers import OverdueWorker
from matins.telemetry.events import EventBus, StalledLocksReleased, WorkerDied

SOONEST = 0.25


class Reaper:
    """Takes over from the dead."""

    name = "reaper"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        jobs: Callable[[], Jobs],
        held: Callable[[], set[RunId]],
        bus: EventBus,
        longest_pause: float,
        notify: Callable[[], None],
    ) -> None:
        self._store = store
        self._state = state
        self._jobs = jobs
        self._held = held
        self._bus = bus
        self._longest_pause = longest_pause
        self._notify = notify
        self._suspects: set[RunId] = set()

    def release_stalled(self) -> int:
        """At start-up: recover what workers that are already known to be gone still seem to hold."""
        total = 0
        while True:
            finishes = self._store.read(recovery.held_by_the_dead)
            recorded = len(self._recover(finishes).recorded) if finishes else 0
            if not recorded:
                return total
            total += recorded

    def run_once(self) -> Pause:
        if not self._state.trusts_lease:
            return Pause(min(1.0, self._longest_pause))
        dead = self._declare_dead() if self._state.may_reap else []
        finishes = self._store.read(self._stalled)
        if finishes:
            settled = self._recover(finishes)
            if dead:
                gone = tuple(one.id for one in dead)
                self._bus.emit(StalledLocksReleased(workers=gone, runs=len(settled.recorded)))
            if settled.recorded:
                return AT_ONCE
        return self._until_next_lease_ends()

    def _declare_dead(self) -> list[OverdueWorker]:
        terms = self._state.terms

        def work(tx: Tx) -> list[OverdueWorker]:
            found = workers.overdue(tx, terms)
            # Asked again now that the database's time was read: between the first look and this moment it, or this
            # process, may have stood still for so long that everybody's lease ran out.
            if not self._state.may_reap:
                return []
            return [one for one in found if one.id != self._state.id and workers.declare_dead(tx, one.id, terms)]

        dead = self._store.write(work)
        for one in dead:
            self._bus.emit(WorkerDied(worker=one.id, host=one.hostname))
        return dead

    def _stalled(self, tx: Tx) -> list[Finish]:
        """What the dead hold, and what carries this worker's id without being held, twice in a row."""
        held = self._held()
        astray = recovery.held_in_name_only(tx, self._state.id, held)
        confirmed = [one for one in astray if one.run_id in self._suspects and one.run_id not in self._held()]
        self._suspects = {one.run_id for one in astray}
        return recovery.held_by_the_dead(tx) + confirmed

    def _recover(self, finishes: Sequence[Finish]) -> Settlement:
        def work(tx: Tx) -> Settlement:
            return recovery.settle_all(tx, finishes, self._jobs_known(tx, finishes), chance=random.random)

        settled = self._store.write(work)
        tell_settlement(self._bus, settled)
        self._notify()
        return settled

    def _jobs_known(self, tx: Tx, finishes: Sequence[Finish]) -> Jobs:
        """This code's jobs, and those only the dead workers' code knew: their policy decides what follows."""
        known = dict(self._jobs())
        if all(finish.job in known for finish in finishes):
            return known
        for version_id in recovery.version_ids_of_holders(tx, finishes):
            for name, data in versions.jobs_of(tx, version_id).items():
                known.setdefault(name, Job.from_data(data))
        return known

    def _until_next_lease_ends(self) -> Pause:
        at = self._store.read(lambda tx: workers.earliest_lease_end(tx, self._state.id))
        if at is None:
            return Pause(self._longest_pause)
        over_in = (at - self._state.database_clock.now()).total_seconds() + self._state.terms.margin_seconds
        return Pause(min(max(over_in + 0.05, SOONEST), self._longest_pause))
