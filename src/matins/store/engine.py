"""Connections and transactions. Every access to the database passes through `Store.read` or `Store.write`.

A transaction is a function of `Tx`, so that it can be run again whole when the database says that nothing was written
(a deadlock, a serialization failure, a lock that took too long). What fails otherwise is translated: the database is
away (`DatabaseUnavailable`), which services wait out, or there is a mistake (`StoreError`). A connection lost during
COMMIT leaves open whether it happened; every transaction here may therefore be repeated: each of its writes is
conditional on what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, ColumnElement, Connection, CursorResult, Engine, func, literal, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from matins.clock import SystemClock
from matins.errors import DatabaseUnavailable, StoreError
from matins.store.dialects import dialect_for
from matins.store.dialects.base import Dialect, Trouble
from matins.store.types import Instant

T = TypeVar("T")

ATTEMPTS = 8
"""How often a transaction that wrote nothing is run in all before its error is passed on.

Not again once a statement's time limit has passed: waiting eight times for one lock would be no time limit.
"""


class Now(Protocol):
    """What stands in for the database's clock in tests."""

    def now(self) -> datetime: ...


class Tx:
    """One transaction: its connection, its dialect and the database's time."""

    __slots__ = ("_given_now", "_now", "connection", "dialect")

    def __init__(self, connection: Connection, dialect: Dialect, given_now: datetime | None = None) -> None:
        self.connection = connection
        self.dialect = dialect
        self._given_now = given_now
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The database's clock, read when first asked for and then the same throughout the transaction."""
        if self._now is None:
            read: datetime = self.connection.execute(select(self.clock)).scalar_one()
            self._now = read
        return self._now

    @property
    def clock(self) -> ColumnElement[datetime]:
        """The database's clock within a statement, for those that need no more than a comparison with it."""
        return func.coalesce(literal(self._given_now, Instant()), self.dialect.now(), type_=Instant())

    def execute(self, statement: Any, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement."""
        return self.connection.execute(statement, parameters)

    def rows(self, statement: Any, parameters: Any = None) -> list[Any]:
        """All rows of a query."""
        return list(self.connection.execute(statement, parameters).all())


class Store:
    """The database. Safe to share between threads; never across a fork."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 3,
        statement_timeout: float = 10.0,
        now: Now | None = None,
    ) -> None:
        self.dialect = dialect_for(make_url(url))
        self.url: URL = self.dialect.with_driver(make_url(url))
        self._now = now
        self._clock = SystemClock()
        self._options = {"pool_size": pool_size, "statement_timeout": statement_timeout}

    @cached_property
    def engine(self) -> Engine:
        """The connection pool; connects on first use."""
        return self.dialect.engine(
            self.url, pool_size=int(self._options["pool_size"]), statement_timeout=self._options["statement_timeout"]
        )

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run a transaction that writes nothing."""
        return self._transact(work, writing=False)

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run a transaction; the whole of it is run again when nothing of it was written."""
        return self._transact(work, writing=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A bare connection in a writing transaction, for migrations alone: it is not repeated."""
        try:
            with self.engine.connect() as connection:
                self.dialect.begin(connection, writing=True)
                yield connection
                connection.commit()
        except SQLAlchemyError as error:
            raise self._translated(error) from error

    def tolerate_duplicates(self, statement: str) -> None:
        """Run a statement that makes something unless it is there, also when another process makes it first."""
        with self.engine.connect() as connection:
            try:
                connection.execute(text(statement))
                connection.commit()
            except (IntegrityError, ProgrammingError):
                connection.rollback()
            except SQLAlchemyError as error:
                raise self._translated(error) from error

    def close(self) -> None:
        """Close every connection."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    def _transact(self, work: Callable[[Tx], T], *, writing: bool) -> T:
        attempt, patient_until = 1, self._clock.monotonic() + self._options["statement_timeout"]
        while True:
            try:
                return self._once(work, writing=writing)
            except (DBAPIError, PoolTimeout) as error:
                patient = attempt < ATTEMPTS and self._clock.monotonic() < patient_until
                if not patient or self._trouble(error) is not Trouble.TRANSIENT:
                    raise self._translated(error) from error
                attempt += 1
            except UnicodeError as error:
                # Half of a surrogate pair: the driver stumbles over it before any database sees it.
                raise StoreError(f"The database cannot keep this text: {error}.") from error
            except SQLAlchemyError as error:
                raise StoreError(f"The database statement failed: {error}") from error

    def _once(self, work: Callable[[Tx], T], *, writing: bool) -> T:
        with self.engine.connect() as connection:
            self.dialect.begin(connection, writing=writing)
            result = work(Tx(connection, self.dialect, None if self._now is None else self._now.now()))
            connection.commit()
        return result

    def _trouble(self, error: Exception) -> Trouble:
        if isinstance(error, PoolTimeout):
            return Trouble.AWAY
        if isinstance(error, DBAPIError):
            if error.orig is not None and (found := self.dialect.trouble(error.orig)) is not Trouble.OTHER:
                return found
            return Trouble.AWAY if error.connection_invalidated else Trouble.OTHER
        return Trouble.OTHER

    def _translated(self, error: Exception) -> StoreError:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()
        first = text[0] if text else type(error).__name__
        shown = self.url.render_as_string(hide_password=True)
        if self._trouble(error) in (Trouble.AWAY, Trouble.TRANSIENT):
            return DatabaseUnavailable(
                f"The database {shown} cannot be used now: {first}.", remedy="Check DATABASE_URL and the server."
            )
        return StoreError(f"The database {shown} refused a statement: {first}.", remedy="Try `matins doctor`.")
