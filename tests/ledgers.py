"""Ledgers on every database. One migrated database of each kind serves a whole session, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from matins.admin import switch
from matins.admin.actor import Actor
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
from matins.store.tables import installation, metadata, occurrence
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

ANNA = Actor(name="anna", source="test")


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
        store.write(empty)
        store.close()
        return self._urls[kind]


def empty(tx: Tx) -> None:
    """Leave the tables as the migrations made them."""
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
    """An operator switches a schedule on."""
    switch.enable(ledger.store, ANNA, id_)


def disable(ledger: Ledger, id_: str) -> None:
    """An operator switches a schedule off."""
    switch.disable(ledger.store, ANNA, id_)


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
