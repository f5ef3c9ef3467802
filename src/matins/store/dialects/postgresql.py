"""PostgreSQL: rows are passed as arrays, one statement for any number of them, so that its text never changes.

`statement_timestamp()` and not `clock_timestamp()`: the latter is volatile, and a comparison with it scans a whole
index. `now()` would stand still inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    column,
    create_engine,
    func,
    literal,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from matins.store.dialects.base import Row, Trouble
from matins.store.types import Instant

CHANNEL = "matins"

_TRANSIENT = ("40001", "40P01", "55P03", "57014")
_AWAY = ("08", "57P", "53", "25006")


class PostgreSQL:
    """PostgreSQL 12 and later."""

    name = "postgresql"
    skips_locked = True

    def with_driver(self, url: URL) -> URL:
        return url.set(drivername="postgresql+psycopg")

    def engine(self, url: URL, *, pool_size: int, statement_timeout: float) -> Engine:
        milliseconds = int(statement_timeout * 1000)
        options = {
            "timezone": "UTC",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds * 2,
        }
        return create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": max(2, int(statement_timeout)),
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": milliseconds,
                "application_name": "matins",
                "options": " ".join(f"-c {key}={value}" for key, value in options.items()),
            },
        )

    def begin(self, connection: Connection, *, writing: bool) -> None:
        return

    def now(self) -> ColumnElement[datetime]:
        return type_coerce(func.statement_timestamp(), Instant())

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        return query.with_for_update(skip_locked=skip)

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column == any_(literal(list(values), ARRAY(column.type, dimensions=1)))

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = list(rows[0])
            connection.execute(table.insert().from_select(names, _unnest_all(table, names)), _arrays(names, rows))

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = list(rows[0])
            statement = insert(table).from_select(names, _unnest_all(table, names)).on_conflict_do_nothing()
            connection.execute(statement, _arrays(names, rows))

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        names = list(rows[0])
        given = _unnest_all(table, names).subquery("given")
        statement = (
            update(table)
            .where(and_(*(table.c[key] == given.c[key] for key in keys)))
            .values({name: given.c[name] for name in names if name not in keys})
        )
        return connection.execute(statement, _arrays(names, rows)).rowcount

    def trouble(self, error: BaseException) -> Trouble:
        state = getattr(error, "sqlstate", None)
        if state is None:
            # A connection that was refused, cut or timed out has no SQLSTATE.
            return Trouble.AWAY if type(error).__name__ == "OperationalError" else Trouble.OTHER
        if state in _TRANSIENT:
            return Trouble.TRANSIENT
        return Trouble.AWAY if state.startswith(_AWAY) else Trouble.OTHER

    def notify(self, connection: Connection) -> None:
        connection.execute(text(f"NOTIFY {CHANNEL}"))


def _unnest_all(table: Table, names: Sequence[str]) -> Select[Any]:
    arrays = [bindparam(f"all_{name}", type_=ARRAY(table.c[name].type, dimensions=1)) for name in names]
    given = (
        func.unnest(*arrays)
        .table_valued(*(column(name, table.c[name].type) for name in names), name="given")
        .render_derived()
    )
    return select(*(given.c[name] for name in names))


def _arrays(names: Sequence[str], rows: Iterable[Row]) -> dict[str, list[Any]]:
    return {f"all_{name}": [row[name] for row in rows] for name in names}
