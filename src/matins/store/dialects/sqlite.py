"""SQLite: one writer at a time, so every write begins IMMEDIATE and stays short; WAL lets readers go on.

The driver would begin deferred transactions by itself, and one that reads and then writes fails at once when another
wrote in between, whatever the busy timeout: so the driver's own transactions are off and `begin` says how.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    String,
    Table,
    and_,
    create_engine,
    event,
    func,
    literal,
    not_,
    select,
    text,
    type_coerce,
)

from matins.store.dialects.base import Row, Trouble
from matins.store.types import Instant, Json, instant_text, json_text

BUSY_TIMEOUT = 10.0

_INSTANT = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]"
"""The one form in which instants are kept: another may be the same instant, but does not sort among these."""

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
            pool_timeout=statement_timeout,
            connect_args={"timeout": min(BUSY_TIMEOUT, statement_timeout), "isolation_level": None},
        )
        event.listen(engine, "connect", _set_up)
        return engine

    def begin(self, connection: Connection, *, writing: bool) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    def now(self) -> ColumnElement[datetime]:
        return type_coerce(func.strftime("%Y-%m-%d %H:%M:%f000", "now"), Instant())

    def unreadable(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        kept = type_coerce(column, String)
        formed: ColumnElement[bool] = kept.bool_op("GLOB")(_INSTANT)
        return and_(kept.is_not(None), not_(and_(formed, func.julianday(kept).is_not(None))))

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        return query

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column.in_(select(text("value")).select_from(func.json_each(literal(json.dumps(list(values))))))

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            connection.exec_driver_sql(_insert(table, names), _parameters(table, names, rows))

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            statement = f"{_insert(table, names)} ON CONFLICT DO NOTHING"
            connection.exec_driver_sql(statement, _parameters(table, names, rows))

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        values = tuple(name for name in rows[0] if name not in keys)
        statement = _update(table, tuple(keys), values)
        return connection.exec_driver_sql(statement, _parameters(table, (*values, *keys), rows)).rowcount

    def trouble(self, error: BaseException) -> Trouble:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return Trouble.OTHER
        primary = code & 0xFF
        if primary in _TRANSIENT:
            return Trouble.TRANSIENT
        return Trouble.AWAY if primary in _AWAY else Trouble.OTHER


# The statements that are run once a row go to the driver as they are: only names from the schema enter their text, and
# what SQLAlchemy does for each row's parameters would cost several times what SQLite does with them.


@cache
def _insert(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' for _ in names)})"  # noqa: S608


@cache
def _update(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> str:
    values = ", ".join(f'"{name}" = ?' for name in names)
    where = " AND ".join(f'"{key}" = ?' for key in keys)
    return f"UPDATE {table.name} SET {values} WHERE {where}"  # noqa: S608


def _parameters(table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    encoders = [(name, _encoder(table, name)) for name in names]
    return [tuple(None if row[name] is None else encode(row[name]) for name, encode in encoders) for row in rows]


@cache
def _encoder(table: Table, name: str) -> Callable[[Any], Any]:
    kind = table.c[name].type
    if isinstance(kind, Instant):
        return instant_text
    return json_text if isinstance(kind, Json) else lambda value: value


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        connection.execute(f"PRAGMA {pragma}")
