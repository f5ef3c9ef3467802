"""Servers of a test's own, and what becomes of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.databases import process
from tests.databases.client import ROOT, KeeperClient, KeeperProcess, Server
from tests.databases.test_databases import execute

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["own_postgresql", "own_mariadb"])
def own(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


def database(server: Server) -> str:
    return server.url("postgres" if server.kind == "postgresql" else "matins")


def test_what_was_committed_outlives_a_kill_and_an_orderly_stop(own: Server) -> None:
    execute(database(own), "CREATE TABLE kept (id INTEGER)", "INSERT INTO kept VALUES (1)")
    own.kill()
    own.start()
    execute(database(own), "INSERT INTO kept VALUES (2)")
    own.restart()

    assert execute(database(own), "SELECT id FROM kept ORDER BY id") == [(1,), (2,)]


def test_a_stopped_server_refuses_connections(own: Server) -> None:
    own.stop()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", own.port), timeout=1)


def test_a_paused_server_answers_nothing_until_it_is_resumed(own_postgresql: Server) -> None:
    with closing(psycopg.connect(database(own_postgresql), autocommit=True)) as connection:
        own_postgresql.pause()
        connection.pgconn.send_query(b"SELECT 1")
        with pytest.raises(TimeoutError):
            next_bytes(connection.fileno(), timeout_seconds=0.2)
        own_postgresql.resume()
        next_bytes(connection.fileno(), timeout_seconds=10)


def next_bytes(descriptor: int, timeout_seconds: float) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as wire:
        wire.settimeout(timeout_seconds)
        wire.recv(1, socket.MSG_PEEK)


STARTER = """
import sys
from tests.databases.client import KeeperClient, KeeperProcess
keeper = KeeperProcess()
server = KeeperClient(keeper.path).own("postgresql")
print(keeper.pid, server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def starter() -> Iterator[subprocess.Popen[str]]:
    with (
        TemporaryDirectory() as folder,  # a killed keeper cannot clean up
        subprocess.Popen(
            [sys.executable, "-c", STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
        ) as running,
    ):
        os.chmod(folder, 0o711)
        yield running
        running.kill()


@pytest.mark.parametrize("victim", ["starter", "keeper"])
def test_no_server_outlives_a_killed_session(starter: subprocess.Popen[str], victim: str) -> None:
    assert starter.stdout is not None
    keeper, server = map(int, starter.stdout.readline().split())

    os.kill(starter.pid if victim == "starter" else keeper, signal.SIGKILL)

    assert process.ended(server, 10)
    assert process.ended(keeper, 10)


def test_two_processes_share_one_server_of_a_kind() -> None:
    keeper = KeeperProcess()
    try:
        first, second = (KeeperClient(keeper.path).shared("postgresql") for _ in range(2))
    finally:
        keeper.close()

    assert (first.port, first.pid) == (second.port, second.pid)
    assert process.ended(first.pid, 0)
