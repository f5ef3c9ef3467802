"""The fixtures that hand out databases, and the session's servers behind them.

With xdist the controlling process owns the keeper and tells each worker where it is. Servers are started after
collection, outside any test's time limit, and only those that some test asks for. ``MATINS_TEST_DURABLE=1`` turns
fsync on for the shared ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.databases.client import KeeperClient, KeeperProcess, Server, ServerMissing
from tests.databases.session import KINDS, MISSING, SERVERS, Databases

_keeper = pytest.StashKey[KeeperProcess]()


def keeper_client(config: pytest.Config) -> KeeperClient:
    """The way to this session's keeper, which is started when nobody has yet."""
    durable = os.environ.get("MATINS_TEST_DURABLE") == "1"
    if hasattr(config, "workerinput"):
        return KeeperClient(config.workerinput["matins_keeper"], durable)
    if _keeper not in config.stash:
        config.stash[_keeper] = KeeperProcess()
    return KeeperClient(config.stash[_keeper].path, durable)


def keeper_pid(config: pytest.Config) -> int | None:
    """The keeper's process id where it is a child of this process."""
    keeper = config.stash.get(_keeper, None)
    return keeper.pid if keeper else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: pytest.Config) -> None:
    """Tell a worker of xdist where the keeper is."""
    node.workerinput["matins_keeper"] = keeper_client(node.config).path  # type: ignore[attr-defined]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what will be needed; that a server is missing is each test's own to say."""
    if session.config.option.collectonly:
        return
    for kind in sorted({kind for item in session.items for kind in _servers_of(item)}):
        with suppress(ServerMissing):
            keeper_client(session.config).shared(kind)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One loud line for each server that tests had to do without."""
    reports = [report for kind in ("skipped", "failed", "error") for report in terminalreporter.getreports(kind)]
    texts = [str(report.longrepr) for report in reports if MISSING in str(report.longrepr)]
    for kind in SERVERS:
        if count := sum(kind in text for text in texts):
            terminalreporter.write_line(f"{MISSING}: {kind}; {count} tests did without", red=True, bold=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers, after Ctrl-C too."""
    if _keeper in config.stash:
        config.stash[_keeper].close()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Makes databases of any kind, for fixtures of a module's or a session's length."""
    maker = Databases(
        keeper=lambda: keeper_client(request.config),
        folder=tmp_path_factory.mktemp("databases", numbered=True),
    )
    with closing(maker):
        yield maker


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """An empty database of each kind in turn."""
    yield from _lent(databases, request.param)


@pytest.fixture
def sqlite_url(databases: Databases) -> Iterator[str]:
    """A SQLite file that does not exist yet."""
    yield from _lent(databases, "sqlite")


@pytest.fixture
def postgresql_url(databases: Databases) -> Iterator[str]:
    """An empty PostgreSQL database."""
    yield from _lent(databases, "postgresql")


@pytest.fixture
def mariadb_url(databases: Databases) -> Iterator[str]:
    """An empty MariaDB database."""
    yield from _lent(databases, "mariadb")


@pytest.fixture
def own_postgresql(databases: Databases) -> Iterator[Server]:
    """A PostgreSQL server to be stopped, killed and frozen; it has the database ``postgres``."""
    yield from _lent_server(databases, "postgresql")


@pytest.fixture
def own_mariadb(databases: Databases) -> Iterator[Server]:
    """A MariaDB server to be stopped, killed and frozen; it has the database ``matins``."""
    yield from _lent_server(databases, "mariadb")


def _lent(databases: Databases, kind: str) -> Iterator[str]:
    url = databases.create(kind)
    yield url
    databases.drop(url)


def _lent_server(databases: Databases, kind: str) -> Iterator[Server]:
    server = databases.own_server(kind)
    yield server
    server.discard()


def _servers_of(item: pytest.Item) -> list[str]:
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return [kind for kind in SERVERS if kind in parameters or f"{kind}_url" in fixtures]
