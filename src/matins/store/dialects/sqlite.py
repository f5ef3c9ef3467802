"""SQLite: one writer at a time, so every write begins IMMEDIATE and stays short; WAL lets readers go on.

The driver would begin deferred transactions by itself, and one that reads and then writes fails at once when another
wrote in between, whatever the busy timeout: so the driver's own transactions are off and `begin` says how.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    bindparam,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from matins.store.dialects.base import Row, Trouble
from matins.store.types import Instant

BUSY_TIMEOUT = 10.0

_TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_AWAY = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


class SQLite:
    """The embedded default."""

    name = "sqlite"
    skips_locked = False

    def with_driver(self, url: URL) -> URL:
        return url

    def engine(self, url: URL, *, pool_size: int, statement_timeout: float) -> Engine:
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            connect_args={"timeout": min(BUSY_TIMEOUT, statement_timeout), "isolation_level": None},
        )
        event.listen(engine, "connect", _set_up)
        return engine

    def begin(self, connection: Connection, *, writing: bool) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    def now(self) -> ColumnElement[datetime]:
        return type_coerce(func.strftime("%Y-%m-%d %H:%M:%f000", "now"), Instant())

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        return query

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column.in_(select(text("value")).select_from(func.json_each(literal(json.dumps(list(values))))))

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            connection.execute(table.insert(), list(rows))

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            connection.execute(insert(table).on_conflict_do_nothing(), list(rows))

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        columns = [name for name in rows[0] if name not in keys]
        statement = (
            update(table)
            .where(and_(*(table.c[key] == bindparam(f"key_{key}") for key in keys)))
            .values({name: bindparam(f"set_{name}") for name in columns})
        )
        parameters = [
            {**{f"key_{key}": row[key] for key in keys}, **{f"set_{name}": row[name] for name in columns}}
            for row in rows
        ]
        return connection.execute(statement, parameters).rowcount

    def trouble(self, error: BaseException) -> Trouble:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Trouble.OTHER
        primary = code & 0xFF
        if primary in _TRANSIENT:
            return Trouble.TRANSIENT
        return Trouble.AWAY if primary in _AWAY else Trouble.OTHER

    def notify(self, connection: Connection) -> None:
        return


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        connection.execute(f"PRAGMA {pragma}")
