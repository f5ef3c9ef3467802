"""The scheduler: writes what is due to the ledger, then sleeps until the next due instant.

It wakes a moment early and prepares: rows are read and fires computed before their time, so that at the instant itself
only the transaction is left. Nothing is written before its time by the database's clock.

It announces when it will look again, so that others can tell a sleeping scheduler from a wedged one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from matins.daemon.catalogue import Catalogue, Parsed
from matins.daemon.loop import AT_ONCE, Pause
from matins.daemon.worker import WorkerState
from matins.domain.planning import Plan
from matins.domain.states import ScheduleId
from matins.errors import DatabaseUnavailable, FiresExhausted, StoreError
from matins.ledger.claims import ClaimedRun
from matins.ledger.plans import Proposal, Written, propose, write_plans
from matins.ledger.runs import Jobs
from matins.ledger.starts import Offer
from matins.store import schedules
from matins.store.engine import Store, Tx
from matins.store.schedules import PlannableSchedule
from matins.telemetry.events import BatchPlanned, EventBus, FiresPlanned, FirstCheckDone, ScheduleQuarantined

BATCH = 500
TOLD_SINGLY = 10
"""Up to so many schedules planned together are told one by one."""
CROWDED = Pause(0.02)
"""The wait when every due row is being planned by others at this moment."""
BREATH = Pause(0.01)
"""The wait after a write that left nothing due; what falls due meanwhile was prepared with it."""
EARLY = 0.0003
"""Added to a sleep, so that waking up a clock tick early does not cost a turn."""


AHEAD = timedelta(milliseconds=40)
"""How long before its instant a fire is prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    until: datetime
    due: list[PlannableSchedule]
    parsed: dict[ScheduleId, Parsed | str]
    next_due_at: datetime | None


class Scheduler:
    """Plans what is due."""

    name = "scheduler"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        jobs: Callable[[], Jobs],
        catalogue: Catalogue,
        bus: EventBus,
        poll_seconds: float,
        notify: Callable[[], None],
        refresh_fires: Callable[[], None],
        offer: Callable[[], Offer | None] = lambda: None,
        accept: Callable[[Sequence[ClaimedRun]], None] = lambda _: None,
        batch: int = BATCH,
    ) -> None:
        self._store = store
        self._state = state
        self._jobs = jobs
        self._catalogue = catalogue
        self._bus = bus
        self._poll = poll_seconds
        self._notify = notify
        self._offer = offer
        self._accept = accept
        self._refresh_fires = refresh_fires
        self._batch = batch
        self._checked = False
        self._prepared: list[Proposal] = []
        self._next_due_at: datetime | None = None

    def run_once(self) -> Pause:
        version_id = self._state.version_id
        if version_id is None or not self._state.trusts_lease or self._state.draining:
            return self._announce(Pause(min(1.0, self._poll)))
        proposals = self._take_prepared() or self._look_again(version_id)
        now = self._state.database_clock.now()
        ready = [one for one in proposals if one.due_at is None or one.due_at <= now]
        self._prepared = [one for one in proposals if one.due_at is not None and one.due_at > now]
        if not ready:
            return self._announce(self._until_prepared(now) if proposals else self._until_next())
        written = self._write(ready)
        self._accept(written.claimed)
        self._tell(written, now)
        if written.pending or written.settlement.admitted:
            self._notify()
        return self._announce(self._after(written, now))

    def _take_prepared(self) -> list[Proposal]:
        prepared, self._prepared = self._prepared, []
        return prepared

    def _look_again(self, version_id: int) -> list[Proposal]:
        """What is due now or within a moment, with what each schedule owes then."""
        look = self._store.read(lambda tx: self._look(tx, version_id))
        if not self._checked:
            self._checked = True
            self._bus.emit(FirstCheckDone(due=len(look.due), next_due_at=look.next_due_at))
        self._next_due_at = look.next_due_at
        return self._propose(look)

    def _look(self, tx: Tx, version_id: int) -> _Look:
        sent = self._state.clock.boottime()
        now = tx.now
        self._state.database_clock.observe(now, sent=sent, received=self._state.clock.boottime())
        due = schedules.due(tx, version_id, self._batch, ahead=AHEAD)
        return _Look(
            until=now + AHEAD,
            due=due,
            parsed=self._catalogue.parse(tx, due),
            next_due_at=None if due else schedules.next_due_at(tx, version_id),
        )

    def _propose(self, look: _Look) -> list[Proposal]:
        proposals = []
        for schedule in look.due:
            parsed = look.parsed[schedule.id]
            if isinstance(parsed, str):
                self._quarantine(schedule.id, parsed)
                continue
            definition, trigger = parsed
            try:
                proposals.append(propose(schedule, definition, trigger, look.until))
            except FiresExhausted:
                self._refresh_fires()
                proposals.append(Proposal(schedule=schedule, definition=definition, trigger=trigger))
            except Exception as error:  # noqa: BLE001 - whatever one row does to the arithmetic, the others go on
                self._quarantine(schedule.id, f"its fires cannot be computed: {type(error).__name__}: {error}")
        return proposals

    def _write(self, proposals: Sequence[Proposal]) -> Written:
        if not proposals:
            return Written()
        try:
            return self._store.write(
                lambda tx: write_plans(tx, proposals, self._jobs(), chance=random.random, offer=self._offer())
            )
        except DatabaseUnavailable:
            raise
        except StoreError as error:
            return self._write_singly(proposals, error)

    def _write_singly(self, proposals: Sequence[Proposal], error: StoreError) -> Written:
        """A batch that fails is written one by one, and the row at fault set aside."""
        if len(proposals) == 1:
            self._quarantine(proposals[0].schedule.id, f"its fires cannot be recorded: {error.message}")
            return Written()
        written = Written()
        for proposal in proposals:
            one = self._write([proposal])
            written.plans += one.plans
            written.pending += one.pending
            written.claimed += one.claimed
        return written

    def _quarantine(self, id_: ScheduleId, reason: str) -> None:
        self._store.write(lambda tx: schedules.quarantine(tx, id_, reason))
        self._bus.emit(ScheduleQuarantined(schedule=id_, reason=reason))

    def _after(self, written: Written, now: datetime) -> Pause:
        """Look again at once while there may be more; else leave the processor to what has just been started."""
        if self._prepared:
            return self._until_prepared(now)
        if not written.plans:
            return CROWDED
        return AT_ONCE if written.more or len(written.plans) >= self._batch else BREATH

    def _until_prepared(self, now: datetime) -> Pause:
        first = min(one.due_at for one in self._prepared if one.due_at is not None)
        return Pause(max((first - now).total_seconds(), 0.0) + EARLY)

    def _until_next(self) -> Pause:
        if self._next_due_at is None:
            return Pause(self._poll)
        seconds = (self._next_due_at - AHEAD - self._state.database_clock.now()).total_seconds()
        return Pause(min(max(seconds + EARLY, 0.001), self._poll))

    def _announce(self, pause: Pause) -> Pause:
        self._state.next_wake_at = self._state.database_clock.now() + timedelta(seconds=pause)
        return pause

    def _tell(self, written: Written, now: datetime) -> None:
        told = [(id_, made) for id_, made in written.plans if made.rows]
        if len(told) > TOLD_SINGLY:
            skipped = sum(row.count for _, made in told for row in made.rows if row.skipped)
            planned = sum(not row.skipped for _, made in told for row in made.rows)
            self._bus.emit(BatchPlanned(schedules=len(told), planned=planned, skipped=skipped))
            return
        for id_, made in told:
            self._bus.emit(_planned(id_, made, now))


def _planned(id_: ScheduleId, made: Plan, now: datetime) -> FiresPlanned:
    latest = made.rows[-1].fire_at
    return FiresPlanned(
        schedule=id_,
        planned=sum(not row.skipped for row in made.rows),
        skipped=sum(row.count for row in made.rows if row.skipped),
        reasons=tuple(dict.fromkeys(str(row.reason) for row in made.rows if row.reason is not None)),
        latest=latest,
        late_seconds=round((now - latest).total_seconds(), 3),
    )
