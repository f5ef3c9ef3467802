"""Instants that PostgreSQL can hold and Python cannot: `infinity`, years before 1 and after 9999.

Written into a column by hand, one of them would fail every statement that reads it together with other rows. It reads as
NULL instead, which those who need the value repair. Imported only where psycopg is installed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection, DataError
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format


def read_leniently(connection: Connection[Any], _record: object) -> None:
    """Make a new connection read such instants as None."""
    known = connection.adapters.types["timestamptz"].oid
    strict = connection.adapters.get_loader(known, Format.TEXT)
    if strict is not None:
        connection.adapters.register_loader("timestamptz", _lenient(strict))


def _lenient(strict: type[Any]) -> type[Loader]:
    class LenientLoader(Loader):
        """The driver's own loader, but for what it refuses."""

        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._load = strict(oid, context).load

        def load(self, data: Buffer) -> datetime | None:
            try:
                loaded: datetime = self._load(data)
            except DataError:
                return None
            return loaded

    return LenientLoader
