"""Column types that mean the same on every database.

An instant is aware UTC in Python whatever the database keeps it as, and what people wrote into a column by hand never
raises while a row is read: it reads as None, which those who need the value repair.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import BigInteger, Integer, String, TypeDecorator, TypeEngine

SQLITE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


class Instant(TypeDecorator[datetime]):
    """An instant in UTC with microseconds: TIMESTAMPTZ, DATETIME(6), or text that sorts on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(26))
        return dialect.type_descriptor(mysql.DATETIME(fsp=6))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value
        if dialect.name == "sqlite":
            return instant_text(value)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return read_instant(value)


def instant_text(value: datetime) -> str:
    """An aware instant as SQLite keeps it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def json_text(value: Any) -> str:
    """A value as it is kept in a column of JSON text."""
    return json.dumps(value, separators=(",", ":"))


def read_instant(value: Any) -> datetime | None:
    """Whatever a driver returned for an instant, as aware UTC; None for what is not one."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


class Json(TypeDecorator[Any]):
    """JSON kept as text, so that every database compares, cuts and stores it alike; unreadable text reads as None."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(LONG_TEXT.dialect_impl(dialect))

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            return json.loads(value)
        except ValueError:
            return None


LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
"""Text without MySQL's limit of 64 KiB."""

ROW_ID = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit identity; INTEGER on SQLite, where only that autoincrements."""


def key_text(length: int) -> TypeEngine[str]:
    """Text compared by its bytes on every database (MySQL's default collation ignores case)."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )
