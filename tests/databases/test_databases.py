"""The databases the other tests stand on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from tests.databases.session import Databases

Rows = list[tuple[object, ...]]


def execute(url: str, *statements: str) -> Rows:
    """The last statement's rows, over a connection of its own."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]
    if parts.scheme == "postgresql":
        with psycopg.connect(url, autocommit=True) as session:
            results = [session.execute(statement.encode()) for statement in statements]
            return results[-1].fetchall() if results[-1].description else []
    with (
        closing(
            pymysql.connect(
                host=parts.hostname,
                port=parts.port or 3306,
                user=parts.username,
                password=parts.password or "",
                database=parts.path[1:],
                autocommit=True,
            )
        ) as session,
        session.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def fill(url: str) -> None:
    execute(
        url,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES parent (id))",
        "INSERT INTO parent VALUES (7)",
        "INSERT INTO child VALUES (1, 7)",
    )


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_gets_an_empty_database(database_url: str, turn: int) -> None:
    execute(database_url, "CREATE TABLE only_once (id INTEGER)")


def test_a_prepared_database_has_tables_and_rows_and_is_ones_own(databases: Databases, database_url: str) -> None:
    kind = urlsplit(database_url).scheme
    first, second = databases.create(kind, fill), databases.create(kind, fill)

    execute(first, "DELETE FROM child")

    assert execute(second, "SELECT id, of FROM child") == [(1, 7)]
    databases.drop(first)
    databases.drop(second)


def test_a_database_can_be_dropped_while_somebody_is_connected(databases: Databases, postgresql_url: str) -> None:
    url = databases.create("postgresql")
    with closing(psycopg.connect(url)) as connection:
        databases.drop(url)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_postgresql_does_not_run_in_utc(postgresql_url: str) -> None:
    assert execute(postgresql_url, "SHOW timezone") == [("America/St_Johns",)]


def test_mariadb_does_not_run_in_utc(mariadb_url: str) -> None:
    (minutes,) = execute(mariadb_url, "SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())")[0]
    assert minutes in (-210, -150, -209, -149, -211, -151)
