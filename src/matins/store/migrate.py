"""Bringing the schema up to date, safely when several processes try at once.

They take turns on a lock row, held by a connection of its own: MariaDB and MySQL commit every DDL statement by
themselves, which would give up a lock held by the connection that migrates. For the same reason every step can be
repeated. SQLite and PostgreSQL migrate in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from matins.store.engine import Store
from matins.store.schema import VERSION_TABLE, require_schema, schema_state

_LOCK_TABLE = "matins_schema_lock"
_TAKE_TURN = f"SELECT id FROM {_LOCK_TABLE} WHERE id = 1 FOR UPDATE"  # noqa: S608 - a name of ours
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(store: Store) -> bool:
    """Bring the schema up to date; False if it was already.

    Raises:
        SchemaError: the database's schema is newer than this version.
    """
    state = schema_state(store)
    if not state.known:
        require_schema(store)
    if state.current:
        return False
    with _turn(store) as connection:
        _upgrade(connection)
    return True


@contextmanager
def _turn(store: Store) -> Iterator[Connection]:
    """A connection in a transaction, while nobody else migrates."""
    if store.dialect.name == "sqlite":
        with store.transaction() as connection:
            yield connection
        return
    _ensure_lock_row(store)
    with store.transaction() as lock:
        _lift_time_limits(store, lock)
        lock.execute(text(_TAKE_TURN))
        with store.transaction() as connection:
            _lift_time_limits(store, connection)
            yield connection


def _ensure_lock_row(store: Store) -> None:
    store.tolerate_duplicates(f"CREATE TABLE IF NOT EXISTS {_LOCK_TABLE} (id INTEGER PRIMARY KEY)")
    store.tolerate_duplicates(f"INSERT INTO {_LOCK_TABLE} (id) VALUES (1)")  # noqa: S608 - a name of ours


def _lift_time_limits(store: Store, connection: Connection) -> None:
    if store.dialect.name == "postgresql":
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {name} = 0"))
    else:
        connection.execute(text("SET SESSION innodb_lock_wait_timeout = 600"))


def _upgrade(connection: Connection) -> None:
    scripts = _scripts()

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", revision)

    environment = EnvironmentContext(Config(), scripts, fn=steps)
    environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
    with environment.begin_transaction():
        environment.run_migrations()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_SCRIPTS))
