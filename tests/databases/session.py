"""The databases made by one test process, on servers shared by the whole session."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.databases.client import KeeperClient, Server, ServerMissing
from tests.databases.creation import MariaDBPlace, Place, PostgreSQLPlace, Prepare, SQLitePlace

MISSING = "DATABASE SERVER MISSING"
MYSQL_URL = os.environ.get("MATINS_TEST_MYSQL_URL", "")
KINDS = ("sqlite", "postgresql", "mariadb", *(["mysql"] if MYSQL_URL else []))
SERVERS = ("postgresql", "mariadb")


class Databases:
    """Makes databases and servers; where there is no server, it skips the test or fails it."""

    def __init__(self, *, keeper: Callable[[], KeeperClient], folder: Path) -> None:
        self._keeper = keeper
        self._folder = folder
        self._places: dict[str, Place] = {}
        self._made: dict[str, tuple[str, str]] = {}
        self._templates: dict[tuple[str, Prepare], str] = {}

    def create(self, kind: str, prepare: Prepare | None = None) -> str:
        """A new database's URL.

        Args:
            kind: One of `KINDS`.
            prepare: A function that is called once a session with the URL of a database, to give it the tables and
                rows that every database made with the same function then starts from. It must leave no connection
                open. Without it the database is empty.
        """
        place, name = self._place(kind), _new_name()
        url = place.create(name) if prepare is None else place.copy(self._template(kind, prepare), name)
        self._made[url] = kind, name
        return url

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is still connected."""
        kind, name = self._made.pop(url)
        self._place(kind).drop(name)

    def own_server(self, kind: str) -> Server:
        """A server, with durable settings, for one test to stop, kill and freeze; `Server.discard` ends it."""
        try:
            return self._keeper().own(kind)
        except ServerMissing as missing:
            do_without(missing)

    def close(self) -> None:
        """Remove what is left, which on a server that is not ours would stay."""
        for url in list(self._made):
            self.drop(url)
        for (kind, _), template in self._templates.items():
            self._place(kind).drop(template)

    def _template(self, kind: str, prepare: Prepare) -> str:
        if (kind, prepare) not in self._templates:
            name = _new_name()
            prepare(self._place(kind).create(name))
            self._templates[kind, prepare] = name
        return self._templates[kind, prepare]

    def _place(self, kind: str) -> Place:
        if kind not in self._places:
            self._places[kind] = self._open(kind)
        return self._places[kind]

    def _open(self, kind: str) -> Place:
        if kind == "sqlite":
            return SQLitePlace(self._folder)
        if kind == "mysql":
            return MariaDBPlace(_database_of(MYSQL_URL))
        try:
            server = self._keeper().shared(kind)
        except ServerMissing as missing:
            do_without(missing)
        return PostgreSQLPlace(server.url) if kind == "postgresql" else MariaDBPlace(server.url)


def do_without(missing: ServerMissing) -> NoReturn:
    """Skip the running test, or fail it where every database has to be there."""
    message = f"{MISSING}: {missing}"
    if os.environ.get("CI") == "true" or os.environ.get("MATINS_TEST_REQUIRE_DATABASES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def _database_of(server_url: str) -> Callable[[str], str]:
    parts = urlsplit(server_url)
    return lambda name: urlunsplit(parts._replace(path=f"/{name}"))


def _new_name() -> str:
    return f"matins_{secrets.token_hex(6)}"
