"""A database of one's own on any server: made, copied from a prepared one, dropped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
from pymysql.cursors import Cursor

Prepare = Callable[[str], None]


class Place(Protocol):
    """Where databases of one kind are made."""

    def create(self, name: str) -> str:
        """Make an empty database and return its URL."""
        ...

    def copy(self, template: str, name: str) -> str:
        """Make a database with the tables and rows of another; nobody may be connected to that one."""
        ...

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        ...


class SQLitePlace:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str) -> str:
        return f"sqlite:///{self._path(name)}"

    def copy(self, template: str, name: str) -> str:
        # Through SQLite, not the file system: what stands in the write-ahead log comes along.
        with (
            closing(sqlite3.connect(self._path(template))) as source,
            closing(sqlite3.connect(self._path(name))) as target,
        ):
            source.backup(target)
        return self.create(name)

    def drop(self, name: str) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self._path(name)}{suffix}").unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.db"


class PostgreSQLPlace:
    """Databases on one PostgreSQL server."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self._url = url

    def create(self, name: str) -> str:
        return self.copy("template0", name)

    def copy(self, template: str, name: str) -> str:
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url(name)

    def drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


class MariaDBPlace:
    """Databases on one MariaDB or MySQL server."""

    def __init__(self, url: Callable[[str], str]) -> None:
        self._url = url

    def create(self, name: str) -> str:
        with self._cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self._url(name)

    def copy(self, template: str, name: str) -> str:
        url = self.create(name)
        with self._cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            cursor.execute(f"USE `{name}`")
            for table in self._tables(cursor, template):
                cursor.execute(f"SHOW CREATE TABLE `{template}`.`{table}`")
                cursor.execute(cursor.fetchall()[0][1])
                cursor.execute(f"INSERT INTO `{table}` SELECT * FROM `{template}`.`{table}`")
        return url

    def drop(self, name: str) -> None:
        with self._cursor() as cursor:
            # A transaction left open would make the statement below wait for its locks.
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (number,) in cursor.fetchall():
                with suppress(pymysql.err.OperationalError):  # it may have gone meanwhile
                    cursor.execute(f"KILL {number}")
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def _tables(self, cursor: Cursor, database: str) -> list[str]:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY create_time, table_name",
            (database,),
        )
        return [name for (name,) in cursor.fetchall()]

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        parts = urlsplit(self._url(""))
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            autocommit=True,
        )
        with closing(connection), connection.cursor() as cursor:
            yield cursor
