"""Reads DATABASE_URL: which database it names, the URL SQLAlchemy takes, and one that may be shown.

It does not connect. What it refuses it explains without ever repeating a password.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from enum import StrEnum

_SENSITIVE = re.compile(r"(?i)pass|secret|token|key$")


class Backend(StrEnum):
    """The kinds of database Matins runs on. MariaDB and MySQL are told apart when connected."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


class Refusal(ValueError):
    """A value that cannot be used: what is wrong with it, and what to do instead."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    backend: Backend
    drivername: str
    module: str
    extra: str = ""


_SQLITE = _Dialect(backend=Backend.SQLITE, drivername="sqlite+pysqlite", module="sqlite3")
_POSTGRESQL = _Dialect(backend=Backend.POSTGRESQL, drivername="postgresql+psycopg", module="psycopg", extra="postgres")
_MYSQL = _Dialect(backend=Backend.MYSQL, drivername="mysql+pymysql", module="pymysql", extra="mysql")

_DIALECTS = {
    "sqlite": _SQLITE,
    "sqlite+pysqlite": _SQLITE,
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
    "postgresql+psycopg": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "mysql+pymysql": _MYSQL,
    "mariadb+pymysql": _MYSQL,
}

_SHAPES = "sqlite:///matins.db, postgresql://user:password@host/name or mysql://user:password@host/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """A database's address."""

    backend: Backend
    url: str = field(repr=False)
    """With driver and password, for SQLAlchemy; never to be printed."""
    safe_url: str
    """As it was written, passwords masked."""

    def __str__(self) -> str:
        return self.safe_url


def parse(text: str) -> DatabaseUrl:
    """The address `text` names.

    Raises:
        Refusal: it is no URL, of an unknown kind, incomplete, or its driver is not installed.
    """
    from sqlalchemy.engine.url import URL, make_url
    from sqlalchemy.exc import ArgumentError

    dialect = _dialect_of(text)
    try:
        url = make_url(text)
    # ValueError: the port is not a number. Neither message is kept, since both may hold the password.
    except (ArgumentError, ValueError):
        raise Refusal(f"'{mask(text)}' cannot be read as a URL.", f"Write it like {_SHAPES}.") from None
    if "@" in f"{url.host or ''}{url.database or ''}":
        raise Refusal(
            f"'{mask(text)}' has an @ in its password or user name.",
            "Percent-encode special characters there: %40 for @, %2F for /, %3A for :.",
        )
    _check_names_a_database(url.database, url.host, dialect, text)
    _check_driver(dialect)
    safe_query = {name: "***" if _SENSITIVE.search(name) else value for name, value in url.query.items()}
    shown: URL = url.set(query=safe_query)
    return DatabaseUrl(
        backend=dialect.backend,
        url=url.set(drivername=dialect.drivername).render_as_string(hide_password=False),
        safe_url=shown.render_as_string(hide_password=True),
    )


def mask(text: str) -> str:
    """`text` fit to be shown although it could not be read: all that may be a password is gone."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "***" if "@" in text or ":" in text else text
    place = rest.rpartition("@")[2] if "@" in rest else rest
    credentials = "***@" if "@" in rest else ""
    query = "?***" if "?" in place else ""
    return f"{scheme}://{credentials}{place.partition('?')[0]}{query}"


def _dialect_of(text: str) -> _Dialect:
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise Refusal(f"'{mask(text)}' is not a database URL.", f"Write it like {_SHAPES}.")
    dialect = _DIALECTS.get(scheme.lower())
    if dialect is None:
        kinds = "sqlite, postgresql (or postgres), mysql and mariadb"
        raise Refusal(
            f"'{mask(text)}' names a kind of database or driver that is not supported: {scheme}.",
            f"Use one of {kinds}, without a driver's name.",
        )
    return dialect


def _check_names_a_database(name: str | None, host: str | None, dialect: _Dialect, text: str) -> None:
    if dialect.backend is not Backend.SQLITE:
        if not name:
            remedy = "Add its name after the host: postgresql://host/name."
            raise Refusal(f"'{mask(text)}' names no database.", remedy)
        return
    if host:
        raise Refusal(
            f"'{mask(text)}' names a host, but SQLite is a file.",
            "Write three slashes before a relative path and four before an absolute one: sqlite:///matins.db.",
        )
    if not name or name == ":memory:" or "mode=memory" in text:
        raise Refusal(
            f"'{mask(text)}' is in memory, where no other process could see it.",
            "Name a file: sqlite:///matins.db.",
        )


def _check_driver(dialect: _Dialect) -> None:
    try:
        importlib.import_module(dialect.module)
    except ImportError as error:
        raise Refusal(
            f"The driver for {dialect.backend}, {dialect.module}, cannot be imported ({error}).",
            f"Install it: pip install 'matins[{dialect.extra}]'.",
        ) from None
