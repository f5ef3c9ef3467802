"""The housekeeper: ends what waited too long, and prunes history in small pieces."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta

from matins.clock import Clock
from matins.daemon.loop import AT_ONCE, Pause
from matins.daemon.reports import tell_settlement
from matins.daemon.worker import WorkerState
from matins.ledger import recovery
from matins.ledger.runs import Jobs
from matins.ledger.settle import Finish, Settlement
from matins.store import retention, versions, workers
from matins.store.engine import Store, Tx
from matins.telemetry.events import EventBus, HistoryPruned

LOOK_SECONDS = 15.0
PRUNE_SECONDS = 3600.0
WORKERS_KEPT = timedelta(days=30)


class Housekeeper:
    """Keeps the ledger tidy."""

    name = "housekeeper"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        jobs: Callable[[], Jobs],
        bus: EventBus,
        clock: Clock,
        keep_history: timedelta,
        keep_logs: timedelta,
        notify: Callable[[], None],
    ) -> None:
        self._store = store
        self._state = state
        self._jobs = jobs
        self._bus = bus
        self._clock = clock
        self._keep_history = keep_history
        self._keep_logs = keep_logs
        self._notify = notify
        self._pruned_at: float | None = None
        self._pruned = (0, 0)
        self._unrunnable_before: set[int] = set()

    def run_once(self) -> Pause:
        if not self._state.trusts_lease:
            return Pause(1.0)
        if self._end_waiting():
            return AT_ONCE
        return AT_ONCE if self._prune_is_due() and self._prune() else Pause(LOOK_SECONDS)

    def _end_waiting(self) -> bool:
        """End what waited too long; whether there was any."""

        def work(tx: Tx) -> Settlement | None:
            finishes = [*recovery.expired(tx), *self._unrunnable(tx)]
            if not finishes:
                return None
            return recovery.settle_all(tx, finishes, self._jobs(), chance=random.random)

        settled = self._store.write(work)
        if settled is None:
            return False
        tell_settlement(self._bus, settled)
        self._notify()
        return True

    def _unrunnable(self, tx: Tx) -> Sequence[Finish]:
        """Runs of jobs nobody living knows, at the second look: a deploy may be bringing the code this very moment."""
        live = versions.live_version_ids(tx, self._state.app)
        if not live:
            return []
        found = recovery.unrunnable(tx, self._state.app, sorted(live))
        confirmed = [one for one in found if one.run_id in self._unrunnable_before]
        self._unrunnable_before = {one.run_id for one in found}
        return confirmed

    def _prune_is_due(self) -> bool:
        return self._pruned_at is None or self._clock.monotonic() - self._pruned_at >= PRUNE_SECONDS

    def _prune(self) -> bool:
        """Prune one piece of each kind; True while there may be more."""
        occurrences = self._store.write(lambda tx: retention.prune_occurrences(tx, self._keep_history))
        logs = self._store.write(lambda tx: retention.prune_logs(tx, self._keep_logs))
        self._pruned = (self._pruned[0] + occurrences, self._pruned[1] + logs)
        if occurrences or logs:
            return True
        self._store.write(lambda tx: workers.prune(tx, WORKERS_KEPT))
        self._store.write(lambda tx: versions.prune(tx, WORKERS_KEPT))
        if any(self._pruned):
            self._bus.emit(HistoryPruned(occurrences=self._pruned[0], logs=self._pruned[1]))
        self._pruned, self._pruned_at = (0, 0), self._clock.monotonic()
        return False
