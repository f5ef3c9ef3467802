"""PostgreSQL: rows are passed as arrays, one statement for any number of them, so that its text never changes.

`statement_timestamp()` and not `clock_timestamp()`: the latter is volatile, and a comparison with it scans a whole
index. `now()` would stand still inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    Text,
    Update,
    and_,
    any_,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    false,
    func,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from matins.store.dialects.base import Row, Trouble
from matins.store.dialects.json_rows import encode
from matins.store.dialects.postgresql_patience import give_up_after
from matins.store.types import Instant

_TRANSIENT = ("40001", "40P01", "55P03", "57014")
_AWAY = ("08", "57P", "53", "25006", "28", "3D")


_BY_INDEX = {"enable_seqscan": "off", "random_page_cost": "1.1", "jit": "off"}
"""Every statement here finds its rows by an index. A table that grew by thousands of rows within a second has no
statistics yet, and the planner, taking it for small, would read all of it for each batch (measured: ten times slower)."""


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
            **_BY_INDEX,
        }
        from matins.store.dialects.postgresql_instants import read_leniently

        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=statement_timeout,
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
        give_up_after(engine, statement_timeout * 1.5)
        event.listen(engine, "connect", read_leniently)
        return engine

    def begin(self, connection: Connection, *, writing: bool) -> None:
        return

    def now(self) -> ColumnElement[datetime]:
        return type_coerce(func.statement_timestamp(), Instant())

    def unreadable(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        return false()

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        return query.with_for_update(skip_locked=skip)

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column == any_(literal(list(values), ARRAY(column.type, dimensions=1)))

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            connection.execute(_insert(table, names), _parameter(table, names, rows))

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            connection.execute(_insert(table, names).on_conflict_do_nothing(), _parameter(table, names, rows))

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        names = tuple(rows[0])
        return connection.execute(_update(table, tuple(keys), names), _parameter(table, names, rows)).rowcount

    def trouble(self, error: BaseException) -> Trouble:
        state = getattr(error, "sqlstate", None)
        if state is None:
            # A connection that was refused, cut or timed out has no SQLSTATE; the last is a class of its own.
            names = {kind.__name__ for kind in type(error).__mro__}
            return Trouble.AWAY if "OperationalError" in names else Trouble.OTHER
        if state in _TRANSIENT:
            return Trouble.TRANSIENT
        return Trouble.AWAY if state.startswith(_AWAY) else Trouble.OTHER


@cache
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(names, _given(table, names))


@cache
def _update(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Update:
    given = _given(table, names).subquery("given")
    return (
        update(table)
        .where(and_(*(table.c[key] == given.c[key] for key in keys)))
        .values({name: given.c[name] for name in names if name not in keys})
    )


def _given(table: Table, names: Sequence[str]) -> Select[Any]:
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    columns = (column(name, table.c[name].type) for name in names)
    given = rows.table_valued(*columns, name="given").render_derived(name="given", with_types=True)
    return select(*(given.c[name] for name in names))


def _parameter(table: Table, names: Sequence[str], rows: Sequence[Row]) -> dict[str, str]:
    return {"rows": encode(table, names, rows, datetime.isoformat)}
