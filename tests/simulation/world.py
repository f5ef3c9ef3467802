"""A small world for the simulation: one ledger, a few schedules whose fires are counted apart, and virtual daemons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event, func, select

from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import OccurrenceKind, OccurrenceStatus, OverlapPolicy, RunId, ScheduleId, WorkerId
from matins.domain.triggers import Trigger, from_data
from matins.ledger import recovery
from matins.ledger.claims import ClaimedRun
from matins.ledger.definitions import set_aside_vanished, sync_definitions
from matins.ledger.plans import Proposal, write_plans
from matins.ledger.turn import Work
from matins.store import versions, workers
from matins.store.engine import Tx
from matins.store.tables import job_schedule, occurrence, outcome_rollup
from tests.kit import START, TERMS, Ledger
from tests.ledgers import JOBS, empty, proposals

PLANNED = (OccurrenceKind.SCHEDULED, OccurrenceKind.CATCH_UP)


@dataclass
class Account:
    """How many fires a schedule's rows must come to: those of wordings past, and those of the one in force."""

    definition: ScheduleDefinition
    since: datetime
    closed: int = 0
    watermark: datetime = START
    declared: bool = True

    @property
    def trigger(self) -> Trigger:
        return from_data(self.definition.trigger)

    def owed(self, through: datetime) -> int:
        """The fires of all wordings up to a watermark, counted one by one."""
        count, fire = self.closed, self.trigger.next_after(self.since)
        while fire is not None and fire <= through:
            count, fire = count + 1, self.trigger.next_after(fire)
        return count


@dataclass
class Daemon:
    """A virtual daemon: its identity, what it holds, and whether it is alive."""

    id: WorkerId
    version: int
    held: list[ClaimedRun] = field(default_factory=list)


class World:
    """Everything that happens to one ledger, and what must be true of it all the while."""

    def __init__(self, url: str) -> None:
        self.ledger = Ledger(url, jobs=JOBS)
        event.listen(self.ledger.store.engine, "connect", _hurry)
        self.ledger.store.write(empty)
        self.accounts: dict[str, Account] = {}
        self.versions: list[int] = []
        self.daemons: list[Daemon] = []
        self.ghosts: list[ClaimedRun] = []
        self.stale: list[list[Proposal]] = []
        self.begun: set[RunId] = set()
        self._workers = 0

    def close(self) -> None:
        self.ledger.close()

    @property
    def now(self) -> datetime:
        return self.ledger.clock.now()

    # What happens

    def deploy(self, *wanted: ScheduleDefinition) -> None:
        """All daemons' next code declares these schedules and no others."""
        before = {id_: self._row(id_) for id_ in self.accounts}
        unfinished = self.ledger.declare(*wanted).unfinished
        while unfinished:
            rest = unfinished
            unfinished = self.ledger.store.write(lambda tx: sync_definitions(tx, "shop", rest)).unfinished  # noqa: B023
        self.versions.append(self.ledger.version_id)
        for one in wanted:
            self._open_account(one, before.get(one.id))

    def _open_account(self, wanted: ScheduleDefinition, before: Any) -> None:
        known = self.accounts.get(wanted.id)
        if known is None:
            self.accounts[wanted.id] = Account(definition=wanted, since=self.now, watermark=self.now)
            return
        same = known.definition.trigger == wanted.trigger and known.definition.jitter_offset == wanted.jitter_offset
        if not same:
            due = max(before.planned_through, self.now - known.definition.jitter_offset)
            known.closed, known.since = known.owed(due), self._row(wanted.id).planned_through
        known.definition, known.declared = wanted, True

    def set_aside(self) -> None:
        """The sweep that finds what no live code declares, everybody having the newest code."""

        def work(tx: Tx) -> int:
            ids = versions.vanished(tx, "shop", {self.versions[-1]}, 100)
            set_aside_vanished(tx, ids)
            return len(ids)

        while self.ledger.store.write(work):
            pass

    def boot(self, version: int) -> Daemon:
        """A new daemon, under an identity nobody had before."""
        self._workers += 1
        self.ledger.version_id = version
        daemon = Daemon(id=self.ledger.worker(f"w{self._workers}"), version=version)
        self.ledger.version_id = self.versions[-1]
        self.daemons.append(daemon)
        return daemon

    def crash(self, daemon: Daemon) -> None:
        """It is not heard of again, but for what it may still try to write."""
        self.daemons.remove(daemon)
        self.ghosts += daemon.held

    def renew(self) -> None:
        """Every living daemon's heartbeat; whoever was declared dead drops all and begins anew."""
        for daemon in list(self.daemons):
            renewal = self.ledger.store.write(
                lambda tx, id_=daemon.id: workers.renew(tx, id_, TERMS, next_wake_at=None, running=0)
            )
            if renewal is None:
                self.crash(daemon)
                self.boot(daemon.version)

    def plan(self, version: int) -> None:
        self.ledger.version_id = version
        for _ in range(200):
            if not self.ledger.plan_due().plans:
                break
        else:
            raise AssertionError("planning never comes to an end")
        self.ledger.version_id = self.versions[-1]

    def remember_proposals(self) -> None:
        self.stale.append(proposals(self.ledger))

    def write_stale(self, wanted: list[Proposal]) -> None:
        self.stale.remove(wanted)
        self.ledger.store.write(lambda tx: write_plans(tx, wanted, self.ledger.jobs, chance=lambda: 0.5))

    def claim(self, daemon: Daemon, limit: int) -> None:
        claimed = self.ledger.claim(limit, worker=daemon.id)
        assert len(claimed) <= limit
        for one in claimed:
            assert one.id not in self.begun, "a run is started at most once"
        daemon.held += claimed

    def give_back(self, daemon: Daemon) -> None:
        """What it claimed and did not begin."""
        returns = {one.id: one.claim_token for one in daemon.held if one.id not in self.begun}
        daemon.held = [one for one in daemon.held if one.id not in returns]
        self.ledger.turn(Work(app="shop", worker_id=daemon.id, returns=returns))

    def reap(self) -> None:
        """Declare dead whose lease is over, and recover what the dead hold."""

        def declare(tx: Tx) -> None:
            for one in workers.overdue(tx, TERMS):
                workers.declare_dead(tx, one.id, TERMS)

        self.ledger.store.write(declare)

        def recover(tx: Tx) -> int:
            found = recovery.held_by_the_dead(tx)
            recovery.settle_all(tx, found, self.ledger.jobs, chance=lambda: 0.5)
            return len(found)

        while self.ledger.store.write(recover):
            pass

    def expire(self) -> None:
        def work(tx: Tx) -> int:
            found = recovery.expired(tx)
            recovery.settle_all(tx, found, self.ledger.jobs, chance=lambda: 0.5)
            return len(found)

        while self.ledger.store.write(work):
            pass

    # What must be true

    def counted(self) -> Counter[str]:
        """How many planned fires each schedule's rows account for, pruned ones included."""

        def work(tx: Tx) -> Counter[str]:
            totals: Counter[str] = Counter()
            for table in (occurrence, outcome_rollup):
                query = (
                    select(table.c.schedule_id, func.sum(table.c.count))
                    .where(table.c.kind.in_(PLANNED))
                    .group_by(table.c.schedule_id)
                )
                for id_, count in tx.rows(query):
                    totals[id_] += int(count)
            return totals

        return self.ledger.store.read(work)

    def check(self) -> None:
        """Every invariant that holds between any two transactions."""
        counted, rows = self.counted(), self.ledger.store.read(lambda tx: tx.rows(select(job_schedule)))
        for row in rows:
            account = self.accounts[row.id]
            assert row.planned_through >= account.watermark, "a watermark never goes back"
            account.watermark = row.planned_through
            assert counted[row.id] == account.owed(row.planned_through), f"the fires of {row.id} are accounted for"
        self._check_occurrences({row.id: row for row in rows})
        self._check_runs()

    def _check_occurrences(self, schedules: dict[str, Any]) -> None:
        going: Counter[str] = Counter()
        admitted: Counter[str] = Counter()
        for row in self.ledger.occurrences():
            ended = OccurrenceStatus(row.status).ended
            assert (row.finished_at is not None) == ended
            assert row.fire_at <= row.created_at, "nothing is planned early"
            if not ended:
                admitted[row.schedule_id] += row.admitted_at is not None
                going[row.schedule_id] += row.started_at is not None
        for id_, row in schedules.items():
            assert (row.locked_at is not None) == (going[id_] > 0), "what is shown as locked runs"
            if self.accounts[id_].definition.overlap is not OverlapPolicy.ALLOW:
                assert admitted[id_] <= 1, "one occurrence at a time"

    def _check_runs(self) -> None:
        runs = self.ledger.runs()
        open_runs = Counter(run.occurrence_id for run in runs if run.status in ("pending", "running"))
        for row in self.ledger.occurrences():
            if OccurrenceStatus(row.status).ended:
                assert not open_runs[row.id], "an occurrence that ended has nothing under way"
            elif row.admitted_at is not None:
                assert open_runs[row.id], "an occurrence that is admitted has something under way"
        attempts = [(run.occurrence_id, run.position, run.attempt) for run in runs]
        assert len(attempts) == len(set(attempts)), "no attempt is written twice"

    def come_to_rest(self) -> None:
        """After all faults: everything planned, run and ended, with no hand laid on."""
        self.ledger.pass_time(minutes=3)
        self.renew()
        self.reap()
        self.plan(self.versions[-1])
        self.check()
        for row in self.ledger.store.read(lambda tx: tx.rows(select(job_schedule))):
            account = self.accounts[row.id]
            due = self.now - account.definition.jitter_offset
            assert self.counted()[row.id] == account.owed(due), f"all fires of {row.id} until now have their row"
        for row in self.ledger.store.read(lambda tx: tx.rows(select(job_schedule))):
            self.ledger.change(row.id, enabled=False)
        self._drain()
        assert [row.status for row in self.ledger.occurrences() if not OccurrenceStatus(row.status).ended] == []
        assert [run.status for run in self.ledger.runs() if run.status in ("pending", "running")] == []
        locked = select(job_schedule.c.id).where(job_schedule.c.locked_at.is_not(None))
        assert self.ledger.store.read(lambda tx: tx.rows(locked)) == []

    def _drain(self) -> None:
        for daemon in self.daemons:
            self.ledger.finish(*daemon.held)
            daemon.held = []
        daemon = self.boot(self.versions[-1])
        for _ in range(500):
            self.ledger.pass_time(minutes=1)
            self.renew()
            self.expire()
            self.claim(daemon, 100)
            if not daemon.held and not [run for run in self.ledger.runs() if run.status == "pending"]:
                return
            self.ledger.finish(*daemon.held)
            daemon.held = []
        raise AssertionError("the ledger never comes to rest")

    def _row(self, id_: str) -> Any:
        return self.ledger.schedule(ScheduleId(id_))


def _hurry(connection: Any, _record: object) -> None:
    """Durability is not what is simulated here."""
    connection.execute("PRAGMA synchronous=OFF")


def back(minutes: int) -> timedelta:
    return timedelta(minutes=minutes)
