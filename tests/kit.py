"""A schedule daemon's ledger by hand: declare, plan, claim and finish at instants of the test's choosing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from matins.clock import ManualClock
from matins.domain.job import Job
from matins.domain.lease import LeaseTerms
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import RunStatus, ScheduleId, WorkerId
from matins.domain.triggers import every, from_data
from matins.ledger.claims import ClaimedRun
from matins.ledger.definitions import SyncedBatch, sync_definitions
from matins.ledger.plans import Written, propose, write_plans
from matins.ledger.settle import Finish, Settlement
from matins.ledger.starts import Offer
from matins.ledger.turn import Done, Work, take_turn
from matins.store import schedules, versions, workers
from matins.store.engine import Store, Tx
from matins.store.migrate import migrate
from matins.store.tables import installation, job_run, job_schedule, metadata, occurrence
from matins.store.versions import KnownSchedule
from matins.store.workers import NewWorker

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = LeaseTerms(timeout_seconds=60)


def definition(id_: str, trigger: Any = None, **values: Any) -> ScheduleDefinition:
    """A schedule every minute, unless said otherwise, that arrives enabled."""
    data = (trigger or every(minutes=1)).to_data()
    return ScheduleDefinition(id=ScheduleId(id_), trigger=data, **{"jobs": ("work",), "enabled": True, **values})


class Ledger:
    """One application's ledger in one database, its clock set by hand."""

    def __init__(self, url: str, *, jobs: Sequence[Job] = (Job(name="work"),)) -> None:
        self.clock = ManualClock(START)
        self.store = Store(url, now=self.clock)
        migrate(self.store)
        self.jobs = {job.name: job for job in jobs}
        self.version_id = 0

    def close(self) -> None:
        self.store.close()

    def begin_anew(self, *, jobs: Sequence[Job] = (Job(name="work"),)) -> None:
        """As if just made: tables as the migrations leave them, the clock at the start."""

        def work(tx: Tx) -> None:
            for table in reversed(metadata.sorted_tables):
                if table is not installation:
                    tx.execute(delete(table))
            tx.execute(update(installation).values(revision=0, paused_at=None, paused_by=None, paused_reason=None))

        self.store.write(work)
        self.clock.instant, self.clock.elapsed = START, 0.0
        self.jobs = {job.name: job for job in jobs}
        self.version_id = 0

    def pass_time(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def declare(self, *definitions: ScheduleDefinition, environment: str = "production") -> SyncedBatch:
        """A deploy of code with these schedules."""

        def work(tx: Tx) -> SyncedBatch:
            versions.lock_app(tx, "shop")
            hash_ = hashlib.sha256("-".join(one.hash for one in definitions).encode()).hexdigest()
            jobs = {name: job.to_data() for name, job in self.jobs.items()}
            self.version_id, _ = versions.find_or_insert(
                tx, app_name="shop", environment=environment, hash_=hash_, jobs=jobs, pools={}
            )
            known = [
                KnownSchedule(schedule_id=one.id, definition_hash=one.hash, applies=one.applies_in(environment))
                for one in definitions
            ]
            versions.record_schedules(tx, self.version_id, known)
            return sync_definitions(tx, "shop", definitions)

        return self.store.write(work)

    def worker(self, id_: str = "w1") -> WorkerId:
        """Register a live worker that runs the code last declared."""
        worker = NewWorker(
            id=WorkerId(id_),
            worker_type="schedule_daemon",
            app="shop",
            environment="production",
            hostname="host",
            pid=1,
            version="0",
            concurrency=4,
        )
        self.store.write(lambda tx: workers.register(tx, worker, TERMS))
        self.store.write(lambda tx: workers.adopt_version(tx, worker.id, self.version_id))
        return worker.id

    def plan_due(self, *, offer: Offer | None = None) -> Written:
        """One turn of a scheduler, of a worker that offers to start so much at once."""
        due = self.store.read(lambda tx: schedules.due(tx, self.version_id, 500))
        snapshots = self.store.read(lambda tx: schedules.definitions(tx, [one.id for one in due]))
        proposals = []
        for one in due:
            wanted = ScheduleDefinition.from_data(snapshots[one.id] or {})
            proposals.append(propose(one, wanted, from_data(wanted.trigger), self.clock.now()))
        return self.store.write(lambda tx: write_plans(tx, proposals, self.jobs, chance=_half, offer=offer))

    def plan_all(self) -> None:
        """Turns of a scheduler until nothing is due."""
        while self.plan_due().plans:
            pass

    def claim(self, limit: int = 100, *, worker: str = "w1", pools: Sequence[str] = ()) -> list[ClaimedRun]:
        """One turn of a dispatcher that claims everything it finds."""
        work = Work(app="shop", worker_id=worker, limit=limit, pools=pools)
        return self.store.write(lambda tx: take_turn(tx, work, self.jobs, lambda found: found, chance=_half)).claimed

    def finish(self, *claims: ClaimedRun, status: RunStatus = RunStatus.SUCCEEDED, **values: Any) -> Settlement:
        """One turn of a dispatcher that records these ends."""
        finishes = [
            Finish(
                run_id=claim.id,
                occurrence_id=claim.occurrence_id,
                schedule_id=claim.schedule_id,
                job=claim.job,
                claim_token=claim.claim_token,
                status=status,
                started_at=self.clock.now(),
                finished_at=self.clock.now(),
                **values,
            )
            for claim in claims
        ]
        return self.turn(Work(app="shop", worker_id="w1", finishes=finishes)).settlement

    def turn(self, work: Work) -> Done:
        """One turn of a dispatcher."""
        return self.store.write(lambda tx: take_turn(tx, work, self.jobs, lambda found: found, chance=_half))

    def occurrences(self, id_: str | None = None) -> list[Any]:
        """The ledger's rows, oldest fire first."""
        query = select(occurrence).order_by(occurrence.c.fire_at, occurrence.c.id)
        if id_ is not None:
            query = query.where(occurrence.c.schedule_id == id_)
        return self.store.read(lambda tx: tx.rows(query))

    def runs(self) -> list[Any]:
        """All runs, in the order they were added."""
        return self.store.read(lambda tx: tx.rows(select(job_run).order_by(job_run.c.id)))

    def schedule(self, id_: str) -> Any:
        """One schedule's row."""
        return self.store.read(lambda tx: tx.execute(select(job_schedule).where(job_schedule.c.id == id_)).one())

    def change(self, id_: str, **values: Any) -> None:
        """Write into a schedule's row as a person with a SQL prompt would."""
        self.store.write(lambda tx: tx.execute(update(job_schedule).where(job_schedule.c.id == id_).values(**values)))

    def outcomes(self, id_: str | None = None) -> list[tuple[str, str | None, int]]:
        """Status, reason and count of every row."""
        return [(row.status, row.reason, row.count) for row in self.occurrences(id_)]


def _half() -> float:
    return 0.5
