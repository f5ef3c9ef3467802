"""Every call on the database has a time limit, and what it says in the end is what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from matins.clock import SystemClock
from matins.errors import DatabaseUnavailable, StoreError
from matins.store.engine import ATTEMPTS, Store, Tx
from matins.store.tables import installation, job_schedule
from tests.kit import Ledger, definition


@pytest.fixture
def hurried(ledger: Ledger) -> Iterator[Store]:
    """A store that waits one second at most."""
    store = Store(ledger.store.url.render_as_string(hide_password=False), statement_timeout=1.0)
    yield store
    store.close()


@contextmanager
def held(ledger: Ledger) -> Iterator[None]:
    """Another connection has the schedule locked."""
    with ledger.store.engine.connect() as connection:
        ledger.store.dialect.begin(connection, writing=True)
        row = select(job_schedule.c.id).where(job_schedule.c.id == "a")
        connection.execute(ledger.store.dialect.locked(row)).all()
        yield
        connection.rollback()


def take_lock(tx: Tx) -> None:
    tx.execute(tx.dialect.locked(select(job_schedule.c.id).where(job_schedule.c.id == "a"))).all()


def test_a_lock_that_another_holds_makes_a_write_fail_within_its_time_limit(ledger: Ledger, hurried: Store) -> None:
    ledger.declare(definition("a"))
    clock = SystemClock()
    with held(ledger):
        began = clock.monotonic()
        with pytest.raises(DatabaseUnavailable, match="cannot be used now"):
            hurried.write(take_lock)
        assert clock.monotonic() - began < 5
    hurried.write(take_lock)


def test_what_reads_is_not_held_up_by_what_is_locked(ledger: Ledger, hurried: Store) -> None:
    ledger.declare(definition("a"))
    with held(ledger):
        assert hurried.read(lambda tx: tx.execute(select(job_schedule.c.id)).scalar_one()) == "a"


def test_a_transaction_that_wrote_nothing_is_run_again_whole(ledger: Ledger) -> None:
    turns = []

    def work(tx: Tx) -> str:
        turns.append(tx.now)
        if len(turns) < 3:
            raise _transient(ledger.store.dialect.name)
        return tx.execute(select(installation.c.id)).scalar_one() and "done"

    assert ledger.store.write(work) == "done"
    assert len(turns) == 3


def test_a_transaction_is_not_run_again_for_ever(ledger: Ledger) -> None:
    turns = []

    def work(_tx: Tx) -> None:
        turns.append(1)
        raise _transient(ledger.store.dialect.name)

    with pytest.raises(DatabaseUnavailable):
        ledger.store.write(work)
    assert len(turns) == ATTEMPTS


def _transient(dialect: str) -> Exception:
    """A deadlock, as the driver would report it."""
    import sqlite3

    import psycopg.errors
    import pymysql
    from sqlalchemy.exc import OperationalError

    if dialect == "sqlite":
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        return OperationalError("UPDATE", None, busy)
    if dialect == "postgresql":
        return OperationalError("UPDATE", None, psycopg.errors.DeadlockDetected("deadlock detected"))
    return OperationalError("UPDATE", None, pymysql.err.OperationalError(1213, "Deadlock found"))


def test_a_mistake_is_not_taken_for_a_database_that_is_away(ledger: Ledger) -> None:
    turns = []

    def work(tx: Tx) -> None:
        turns.append(1)
        tx.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(StoreError) as raised:
        ledger.store.read(work)
    assert not isinstance(raised.value, DatabaseUnavailable)
    assert (turns, "\n" in str(raised.value)) == ([1], False)


def test_what_the_work_raises_rolls_back_and_comes_through_as_it_is(ledger: Ledger) -> None:
    ledger.declare(definition("a"))

    def work(tx: Tx) -> None:
        tx.execute(job_schedule.update().values(name="half"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger.store.write(work)
    assert ledger.schedule("a").name == "a"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:secret@127.0.0.1:1/nothing",
        "mariadb://nobody:secret@127.0.0.1:1/nothing",
        "mysql://nobody:secret@127.0.0.1:1/nothing",
        "sqlite:////nowhere/at/all/matins.db",
    ],
)
def test_a_database_that_cannot_be_reached_is_away_and_its_password_is_not_told(url: str) -> None:
    store = Store(url, statement_timeout=2.0)
    try:
        with pytest.raises(DatabaseUnavailable) as raised:
            store.read(lambda tx: tx.now)
    finally:
        store.close()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_nobody_speaks_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match="'oracle'"):
        Store("oracle://somewhere/else")
