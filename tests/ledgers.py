"""Ledgers on every database. One migrated database of each kind serves a whole session, emptied before each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from matins.domain.job import Backoff, Job
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import OccurrenceId, OccurrenceKind, OnLost, OverlapPolicy
from matins.domain.triggers import from_data
from matins.ledger.cancels import request_cancel
from matins.ledger.plans import Proposal, propose
from matins.ledger.requests import Answer, Request, for_schedule, place_requests
from matins.ledger.rows import LockedRows
from matins.ledger.settle import Settlement
from matins.store import schedules
from matins.store.engine import Store, Tx
from matins.store.migrate import migrate
from matins.store.tables import installation, job_schedule, metadata, occurrence
from tests.databases.session import KINDS, Databases
from tests.kit import Ledger

JOBS = (
    Job(name="work"),
    Job(name="other"),
    Job(name="third"),
    Job(name="pooled", pool="narrow"),
    Job(name="urgent", priority=10),
    Job(name="fragile", on_lost=OnLost.FAIL),
    Job(name="repeatable", retries=1, on_lost=OnLost.RETRY, backoff=Backoff(initial_seconds=30, jitter=0)),
)


class CleanDatabases:
    """Migrated databases, each lent again and again."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._urls: dict[str, str] = {}

    def url(self, kind: str) -> str:
        """A database with the schema and no rows."""
        if kind not in self._urls:
            self._urls[kind] = self._databases.create(kind)
        store = Store(self._urls[kind])
        migrate(store)
        store.write(_empty)
        store.close()
        return self._urls[kind]


def _empty(tx: Tx) -> None:
    for table in reversed(metadata.sorted_tables):
        if table is not installation:
            tx.execute(table.delete())
    tx.execute(update(installation).values(revision=0, paused_at=None, paused_by=None, paused_reason=None))


@pytest.fixture(scope="session")
def clean_databases(databases: Databases) -> CleanDatabases:
    return CleanDatabases(databases)


@pytest.fixture(params=KINDS)
def clean_url(request: pytest.FixtureRequest, clean_databases: CleanDatabases) -> str:
    """A migrated database without rows, of each kind in turn."""
    return clean_databases.url(request.param)


@pytest.fixture
def ledger(clean_url: str) -> Iterator[Ledger]:
    """A ledger on each database in turn, its clock set by hand."""
    ledger = Ledger(clean_url, jobs=JOBS)
    yield ledger
    ledger.close()


@pytest.fixture
def second_store(ledger: Ledger) -> Iterator[Store]:
    """Another process's way to the same database."""
    store = Store(ledger.store.url.render_as_string(hide_password=False), now=ledger.clock)
    yield store
    store.close()


def proposals(ledger: Ledger) -> list[Proposal]:
    """What a planner of the code last declared would propose now."""

    def work(tx: Tx) -> list[Proposal]:
        due = schedules.due(tx, ledger.version_id, 500)
        found = schedules.definitions(tx, [one.id for one in due])
        made = []
        for one in due:
            wanted = ScheduleDefinition.from_data(found[one.id] or {})
            made.append(propose(one, wanted, from_data(wanted.trigger), tx.now))
        return made

    return ledger.store.read(work)


def enable(ledger: Ledger, id_: str) -> None:
    """Switch a schedule on: the planner is to look at it at once."""
    now = ledger.clock.now()
    ledger.change(id_, enabled=True, enabled_changed_at=now, next_run_at=now)


def disable(ledger: Ledger, id_: str) -> None:
    """Switch a schedule off; what was not accounted for of an earlier time off stays so."""
    now = ledger.clock.now()
    since = ledger.schedule(id_).disabled_since or now
    ledger.change(id_, enabled=False, enabled_changed_at=now, disabled_since=since)


def cancel(ledger: Ledger, *ids: OccurrenceId) -> Settlement:
    """An operator cancels occurrences."""

    def work(tx: Tx) -> Settlement:
        rows = LockedRows(tx)
        found = tx.rows(select(occurrence.c.schedule_id).where(occurrence.c.id.in_(ids)))
        rows.lock_schedules(row.schedule_id for row in found)
        rows.lock_occurrences(ids)
        done = request_cancel(rows, ids, ledger.jobs, actor="anna", chance=lambda: 0.5)
        rows.flush()
        return done

    return ledger.store.write(work)


def ask(
    ledger: Ledger,
    definition: ScheduleDefinition,
    *,
    kind: OccurrenceKind = OccurrenceKind.MANUAL,
    overlap: OverlapPolicy | None = None,
    back: timedelta = timedelta(0),
) -> Answer:
    """An operator asks for a run."""
    request = Request(schedule_id=definition.id, app="shop", kind=kind, fire_at=ledger.clock.now() - back, actor="anna")
    [answer] = ledger.store.write(
        lambda tx: place_requests(tx, [for_schedule(definition, request, overlap)], ledger.jobs)
    )
    return answer


def counted(ledger: Ledger, id_: str) -> int:
    """How many planned fires the schedule's rows account for."""
    return sum(row.count for row in ledger.occurrences(id_) if row.planned_at is not None)


def failing(store: Store, fail: Callable[[Any], None]) -> Store:
    """The store, made to fail by `fail`, which is given each connection before it commits."""
    from sqlalchemy import event

    event.listen(store.engine, "commit", fail)
    return store


def read_schedule(ledger: Ledger, id_: str, name: str) -> Any:
    """One column of a schedule's row."""
    return ledger.store.read(
        lambda tx: tx.execute(select(job_schedule.c[name]).where(job_schedule.c.id == id_)).scalar_one()
    )
