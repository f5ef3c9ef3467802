"""What differs between databases: one file each, chosen here by the URL's scheme."""

from __future__ import annotations

from sqlalchemy import URL

from matins.errors import StoreError
from matins.store.dialects.base import Dialect
from matins.store.dialects.mariadb import MariaDB
from matins.store.dialects.postgresql import PostgreSQL
from matins.store.dialects.sqlite import SQLite


def dialect_for(url: URL) -> Dialect:
    """The dialect that speaks to this URL's database."""
    match url.get_backend_name():
        case "sqlite":
            return SQLite()
        case "postgresql":
            return PostgreSQL()
        case "mysql" | "mariadb":
            return MariaDB()
        case other:
            raise StoreError(
                f"DATABASE_URL names the database {other!r}, which Matins does not speak.",
                remedy="Use SQLite, PostgreSQL, MySQL or MariaDB.",
            )
