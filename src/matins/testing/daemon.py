"""A daemon whose clock is moved by hand: production's planner, dispatcher and ledger, on one thread.

It goes from one instant at which something happens to the next: a fire, the end of a run, a retry, the end of a wait.
What falls on one instant happens in this order: runs end, what waited too long is given up, fires are planned, runs
start. Nothing is left to chance: waits before retries are not spread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from matins.admin import lookup, occurrences, requests, switch
from matins.admin.actor import Actor
from matins.admin.records import OccurrenceRecord
from matins.app import Definitions, Matins
from matins.clock import ManualClock
from matins.daemon.definitions import Code
from matins.daemon.loop import AT_ONCE
from matins.daemon.scheduler import CROWDED
from matins.domain.durations import parse_duration
from matins.domain.states import OverlapPolicy
from matins.domain.triggers import as_utc
from matins.errors import UsageError
from matins.ledger import claims, recovery
from matins.ledger.settle import Finish
from matins.store import schedules, views
from matins.store.engine import Tx
from matins.testing.assembly import assemble, half, sign_on
from matins.testing.database import TemporaryStore
from matins.testing.definitions import InProcess, check, declared
from matins.testing.executor import ManualExecutor, StandIn, StandIns
from matins.testing.recording import Duration

TESTER = Actor(name="test", source="test")
ALL = 1_000_000_000


class ManualDaemon:
    """One application's daemon, with a ledger of its own.

    Args:
        app: its definitions are taken as they are now.
        start: when the daemon starts; fires later than that are planned.
        environment: as ``APP_ENV`` would say.
        enabled: the schedules an operator has enabled: ``"all"``, or their ids.
        jobs: what is run in the place of some jobs, by name; the others are called in this process. Shell jobs need
            one.
        concurrency: how many runs go on at once.

    Raises:
        DefinitionError: the application declares something wrongly.
        NotFoundError: `enabled` or `jobs` names something it does not declare.
        UsageError: a shell job that is scheduled has no stand-in.
    """

    def __init__(
        self,
        app: Matins,
        *,
        start: datetime,
        environment: str = "production",
        enabled: Literal["all"] | Collection[str] = "all",
        jobs: Mapping[str, StandIn] | None = None,
        concurrency: int = 4,
    ) -> None:
        self._app = app
        self._enabled = enabled
        self._clock = ManualClock(as_utc(start))
        self._environment = environment
        first = self._declared(since=self.now, until=self.now)
        check(first, enabled, jobs or {})
        self._own_triggers = any(one.trigger.get("kind") == "custom" for one in first.schedules)
        self._database = TemporaryStore(self._clock)
        self._store = self._database.store
        self._executor = ManualExecutor(jobs=StandIns(app, jobs or {}), clock=self._clock, slots=concurrency)
        self._state = sign_on(self._store, self._clock, app=app.name, environment=environment)
        self._code = Code()
        services = assemble(self._store, self._state, self._code, self._executor)
        self._scheduler, self._dispatcher, self._keeper = services.scheduler, services.dispatcher, services.definitions
        self._keeper.use(InProcess(first))
        self._do_what_is_due()

    @property
    def now(self) -> datetime:
        """The daemon's time."""
        return self._clock.now()

    def advance(self, to_or_by: datetime | Duration) -> None:
        """Let time pass to an instant or by a duration (``"1h30m"``), the daemon doing what falls due on the way."""
        target = self._target(to_or_by)
        self._learn_own_fires(target)
        while (at := self._next_instant()) is not None and at <= target:
            self._move(at)
            self._do_what_is_due()
        self._move(target)

    def offline(self, to_or_by: datetime | Duration, *, crashed: bool = False) -> None:
        """Let time pass with no daemon, then start it again.

        Args:
            crashed: it died, and what ran is lost; else it was stopped, and what ran was interrupted.
        """
        target = self._target(to_or_by)
        self._state.stopping = True
        if crashed:
            self._dispatcher.drop_everything()
            self._dispatcher.run_once()
        else:
            self._dispatcher.end_runs(0)
            self._dispatcher.record_ends()
        self._learn_own_fires(target)
        self._move(target)
        self._state.stopping = False
        self._recover()
        self._do_what_is_due()

    def trigger(
        self,
        schedule_id: str,
        *,
        job: str | None = None,
        args: Mapping[str, Any] | None = None,
        overlap: OverlapPolicy | None = None,
    ) -> OccurrenceRecord:
        """Run a schedule now, or one of its jobs, as an operator would; answers the occurrence as it is then."""
        asked = requests.trigger(
            self._store, TESTER, schedule_id, job=job, args=args, overlap=overlap, environment=self._environment
        )
        self._do_what_is_due()
        return occurrences.get_occurrence(self._store, asked.id)

    def enable(self, schedule_id: str) -> None:
        """Switch a schedule on, as an operator would."""
        switch.enable(self._store, TESTER, schedule_id)
        self._do_what_is_due()

    def disable(self, schedule_id: str) -> None:
        """Switch a schedule off, as an operator would; what runs goes on."""
        switch.disable(self._store, TESTER, schedule_id)
        self._do_what_is_due()

    def ledger(self, schedule_id: str) -> tuple[OccurrenceRecord, ...]:
        """A schedule's rows, the earliest fire first, each with its runs.

        Raises:
            NotFoundError: there is no such schedule.
        """

        def read(tx: Tx) -> tuple[OccurrenceRecord, ...]:
            lookup.schedule_row(tx, schedule_id)
            rows = views.occurrences.page(tx, schedule_id, limit=ALL)
            return occurrences.with_runs(tx, rows[::-1], brief=False)

        return self._store.read(read)

    def close(self) -> None:
        """Delete the ledger."""
        self._database.close()

    def __enter__(self) -> ManualDaemon:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _declared(self, *, since: datetime, until: datetime) -> Definitions:
        found = declared(self._app, since=since, until=until)
        on = [replace(one, enabled=self._enabled == "all" or one.id in self._enabled) for one in found.schedules]
        return replace(found, schedules=tuple(on))

    def _learn_own_fires(self, until: datetime) -> None:
        """Ask users' own triggers for their fires up to then, as a daemon does whenever it has used up what it knew."""
        if self._own_triggers:
            since = self._store.read(schedules.earliest_own_watermark) or self.now
            self._keeper.use(InProcess(self._declared(since=since, until=until)))

    def _target(self, to_or_by: datetime | Duration) -> datetime:
        target = as_utc(to_or_by) if isinstance(to_or_by, datetime) else self.now + parse_duration(to_or_by)
        if target < self.now:
            raise UsageError(f"{target.isoformat()} is over: it is {self.now.isoformat()}.")
        return target

    def _move(self, to: datetime) -> None:
        self._clock.advance(to - self.now)

    def _next_instant(self) -> datetime | None:
        """When something happens next."""

        def read(tx: Tx) -> list[datetime | None]:
            return [
                schedules.next_due_at(tx, self._state.version_id or 0),
                claims.next_available_at(tx, self._state.app),
                recovery.next_expiry(tx),
            ]

        known = [*self._store.read(read), self._executor.next_end]
        return min((one for one in known if one is not None and one > self.now), default=None)

    def _do_what_is_due(self) -> None:
        reading = self._clock.boottime()
        self._state.renewed(sent=reading, received=reading, at=self.now)
        if self._executor.over:
            self._dispatch()
        if waited_too_long := self._store.read(recovery.expired):
            self._settle(waited_too_long)
        while self._plan():
            pass
        self._dispatch()

    def _plan(self) -> bool:
        """Plan what is due; whether there may be more."""
        pause = self._scheduler.run_once()
        if pause != CROWDED:
            return pause == AT_ONCE
        # Nothing was written of what was due: it was set aside, and others may still be due.
        return bool(self._store.read(lambda tx: schedules.due(tx, self._state.version_id or 0, 1)))

    def _dispatch(self) -> None:
        self._dispatcher.operators_acted()
        while self._dispatcher.run_once() == AT_ONCE or self._executor.over:
            pass

    def _recover(self) -> None:
        """Record what a daemon that died had been running as lost."""
        held = self._dispatcher.held_ids
        if lost := self._store.read(lambda tx: recovery.held_in_name_only(tx, self._state.id, held)):
            self._settle(lost)

    def _settle(self, finishes: Sequence[Finish]) -> None:
        self._store.write(lambda tx: recovery.settle_all(tx, finishes, self._code.jobs, chance=half))
