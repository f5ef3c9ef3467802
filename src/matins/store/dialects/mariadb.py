"""MariaDB 10.6 and later, and MySQL 8: READ COMMITTED, since under the default a poll would see old rows and inserts
would wait for gaps; `CLIENT.FOUND_ROWS`, so that a row count tells what matched and not what changed.

Many rows are updated by one statement that joins a JSON table, as neither has `UPDATE … FROM` or arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    Select,
    Table,
    TextClause,
    create_engine,
    false,
    func,
    text,
    type_coerce,
)

from matins.store.dialects.base import Row, Trouble
from matins.store.dialects.json_rows import encode
from matins.store.types import Instant, instant_text

LARGEST_PARCEL = 2 * 1024 * 1024
"""How many characters of rows go into one statement. The server cuts the connection of one that is larger than its
`max_allowed_packet` (16 MiB by default, escapes included), which cannot be told from a server that went away."""

_TRANSIENT = (1205, 1213, 1020)
_AWAY = (
    2002,
    2003,
    2006,
    2013,
    2055,
    1021,
    1040,
    1053,
    1114,
    1129,
    1158,
    1159,
    1160,
    1161,
    1290,
    1836,
    1927,
    0,
)


class MariaDB:
    """MariaDB and MySQL."""

    name = "mariadb"
    skips_locked = True

    def with_driver(self, url: URL) -> URL:
        return url.set(drivername=f"{url.get_backend_name()}+pymysql")

    def engine(self, url: URL, *, pool_size: int, statement_timeout: float) -> Engine:
        from pymysql.constants import CLIENT

        return create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=statement_timeout,
            isolation_level="READ COMMITTED",
            connect_args={
                "charset": "utf8mb4",
                "connect_timeout": max(2, int(statement_timeout)),
                "read_timeout": statement_timeout * 1.5,
                "write_timeout": statement_timeout * 1.5,
                "client_flag": CLIENT.FOUND_ROWS,
                "init_command": (
                    f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {max(1, int(statement_timeout))},"
                    " sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'"
                ),
            },
        )

    def begin(self, connection: Connection, *, writing: bool) -> None:
        return

    def now(self) -> ColumnElement[datetime]:
        return type_coerce(func.utc_timestamp(6), Instant())

    def unreadable(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        return false()

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        return query.with_for_update(skip_locked=skip)

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column.in_(list(values))

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            for parcel in _parcels(table, names, rows):
                connection.execute(_insert(table, names), {"rows": parcel})

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            for parcel in _parcels(table, names, rows):
                connection.execute(_insert_absent(table, names), {"rows": parcel})

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        names = tuple(rows[0])
        statement = _joined_update(table, tuple(keys), names)
        return sum(connection.execute(statement, {"rows": one}).rowcount for one in _parcels(table, names, rows))

    def trouble(self, error: BaseException) -> Trouble:
        arguments = getattr(error, "args", ())
        code = arguments[0] if arguments and isinstance(arguments[0], int) else None
        if code in _TRANSIENT:
            return Trouble.TRANSIENT
        if code in _AWAY or type(error).__name__ == "InterfaceError":
            return Trouble.AWAY
        return Trouble.OTHER


def _parcels(table: Table, names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """The rows as JSON texts that each fit into one statement."""
    parcel = encode(table, names, rows, instant_text)
    if len(parcel) <= LARGEST_PARCEL or len(rows) == 1:
        yield parcel
        return
    half = len(rows) // 2
    yield from _parcels(table, names, rows[:half])
    yield from _parcels(table, names, rows[half:])


@cache
def _insert(table: Table, names: tuple[str, ...]) -> TextClause:
    return text(_insert_text(table, names))


@cache
def _insert_absent(table: Table, names: tuple[str, ...]) -> TextClause:
    # Setting a key to itself ignores duplicates alone; INSERT IGNORE would hide every other fault too.
    key = next(iter(table.primary_key.columns)).name
    return text(f"{_insert_text(table, names)} ON DUPLICATE KEY UPDATE `{table.name}`.`{key}` = `{table.name}`.`{key}`")


def _insert_text(table: Table, names: Sequence[str]) -> str:
    columns = ", ".join(f"`{name}`" for name in names)
    given = ", ".join(f"given.`{name}`" for name in names)
    return f"INSERT INTO {table.name} ({columns}) SELECT {given} FROM {_json_table(table, names)}"  # noqa: S608


def _json_table(table: Table, names: Sequence[str]) -> str:
    """The parameter `rows` as a table. Only names from the schema enter the text."""
    columns = ", ".join(f"`{name}` {_json_type(table.c[name].type)} PATH '$.{name}'" for name in names)
    return f"JSON_TABLE(:rows, '$[*]' COLUMNS ({columns})) AS given"


@cache
def _joined_update(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> TextClause:
    on = " AND ".join(f"t.`{key}` = given.`{key}`" for key in keys)
    values = ", ".join(f"t.`{name}` = given.`{name}`" for name in names if name not in keys)
    # Without the hint a small table is scanned, and every row of it locked: the statement would wait for rows that are
    # none of its business.
    return text(
        f"UPDATE {_json_table(table, names)}"  # noqa: S608
        f" STRAIGHT_JOIN `{table.name}` AS t FORCE INDEX (PRIMARY) ON {on} SET {values}"
    )


def _json_type(kind: Any) -> str:
    if isinstance(kind, Instant):
        return "DATETIME(6)"
    if isinstance(kind, Boolean):
        return "TINYINT"
    if isinstance(kind, BigInteger | Integer):
        return "BIGINT"
    if isinstance(kind, Float):
        return "DOUBLE"
    # One more than the column takes: what is too long is cut here without a word, and must be refused there.
    length = getattr(kind, "length", None)
    return f"VARCHAR({length + 1}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if length else "LONGTEXT"
