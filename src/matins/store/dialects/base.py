"""The questions that databases answer differently.

Statements elsewhere are the same for all; where one cannot be, it asks the dialect. Bulk statements are here because
their fastest form differs most: arrays on PostgreSQL, one prepared statement many times on SQLite, a JSON table on
MariaDB and MySQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from sqlalchemy import URL, ColumnElement, Connection, Engine, Select, Table

Row = Mapping[str, Any]


class Trouble(Enum):
    """What a driver's error means for the caller."""

    TRANSIENT = "transient"
    """Nothing was written; the whole transaction may be tried again at once."""
    AWAY = "away"
    """The database cannot be reached, is full or is read-only; wait, then try again."""
    OTHER = "other"
    """A mistake: in the statement, the data or the schema."""


class Dialect(Protocol):
    """One database's ways. `name` is also the suffix of its tests."""

    name: str
    skips_locked: bool
    """Whether two claimers can pass each other's locked rows; without it the write lock keeps them apart."""

    def with_driver(self, url: URL) -> URL:
        """The URL with the driver that Matins uses."""
        ...

    def engine(self, url: URL, *, pool_size: int, statement_timeout: float) -> Engine:
        """An engine whose every call has a time limit and whose sessions speak UTC."""
        ...

    def begin(self, connection: Connection, *, writing: bool) -> None:
        """What must be said at the start of a transaction, beyond what the driver does."""
        ...

    def now(self) -> ColumnElement[datetime]:
        """The database's clock, as an expression that an index can be compared with."""
        ...

    def unreadable(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Whether a column of instants holds what is none, where a database lets people write that."""
        ...

    def locked(self, query: Select[Any], *, skip: bool = False) -> Select[Any]:
        """The query with its rows locked until the transaction ends; `skip` passes over rows that others hold."""
        ...

    def is_one_of(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        """Whether a column's value is among these, in a form that keeps its text whatever their number."""
        ...

    def insert_many(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows that all have the same columns."""
        ...

    def insert_absent(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, leaving alone those whose key is there already."""
        ...

    def update_many(self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
        """Set the columns of each row, found by its keys; answers how many rows were matched."""
        ...

    def trouble(self, error: BaseException) -> Trouble:
        """What a driver's error means."""
        ...
