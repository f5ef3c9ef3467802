"""The tests' side of the keeper: asking for servers, and steering one's own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.databases import process

ROOT = Path(__file__).parents[2]
REQUEST_SECONDS = 600.0  # installing a package is the longest thing asked for


class ServerMissing(Exception):
    """There is no such server on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """One running server. Its data and its port outlive `stop`, `kill` and `restart`."""

    kind: str
    port: int
    keeper: KeeperClient
    _pid: list[int] = field(repr=False)

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self._pid[0]

    def url(self, database: str) -> str:
        """A database's URL on this server, in the form a user would write."""
        if self.kind == "postgresql":
            return f"postgresql://matins@127.0.0.1:{self.port}/{database}"
        return f"mariadb://matins:matins@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop in order: clients are cut off, committed data stays. Returns when the server has gone."""
        self.keeper.ask("stop", self.port)

    def start(self) -> None:
        """Start again after `stop` or `kill`. Returns when the server answers."""
        self._pid[0] = self.keeper.ask("start", self.port)["pid"]

    def restart(self) -> None:
        """`stop`, then `start`."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to the whole server, as a crash has it. Returns when it has gone."""
        process.signal_family(self.pid, signal.SIGKILL)
        if not process.ended(self.pid, 10):
            raise TimeoutError(f"{self.kind} survived SIGKILL")

    def pause(self) -> None:
        """Freeze the whole server: connections stay open and nothing answers."""
        process.signal_family(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        process.signal_family(self.pid, signal.SIGCONT)

    def discard(self) -> None:
        """End the server and remove its data."""
        self.keeper.ask("discard", self.port)


@dataclass(frozen=True, slots=True)
class KeeperClient:
    """A way to the keeper at `path`, from any process."""

    path: str
    durable: bool = False
    """Whether the shared servers have fsync on; only the first request for each counts."""

    def shared(self, kind: str) -> Server:
        """The session's one server of this kind, started on first request.

        Raises:
            ServerMissing: it is not installed here.
        """
        return self._server(kind, self.ask("share", kind, durable=self.durable))

    def own(self, kind: str) -> Server:
        """A new server with fsync on for the caller alone, who discards it."""
        return self._server(kind, self.ask("begin", kind, durable=True))

    def ask(self, do: str, argument: str | int, *, durable: bool = False) -> dict[str, Any]:
        """One request to the keeper, and its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(REQUEST_SECONDS)
            connection.connect(self.path)
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"do": do, "argument": argument, "durable": durable}) + "\n")
                stream.flush()
                answer: dict[str, Any] = json.loads(stream.readline())
        if "missing" in answer:
            raise ServerMissing(answer["missing"])
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer

    def _server(self, kind: str, answer: dict[str, Any]) -> Server:
        return Server(kind, answer["port"], self, [answer["pid"]])


class KeeperProcess:
    """The keeper, started by this process and ended with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="matins-keeper-", ignore_cleanup_errors=True)
        self.path = os.path.join(self._folder.name, "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.databases.keeper", self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the keeper of the test databases did not start")

    @property
    def pid(self) -> int:
        """The keeper's process id: a child that is meant to be there."""
        return self._process.pid

    def close(self) -> None:
        """End the keeper with all its servers. Returns when they have gone."""
        with self._process:
            pass
        self._folder.cleanup()
