"""The keeper: a process that owns the servers of one test session and outlives nothing.

It answers one JSON line per connection on a Unix socket, one request at a time. Its standard input is a lifeline to
whoever started it: at its end, for whatever reason, every server is killed and every folder removed. Should the
keeper itself be killed, the kernel kills the servers. It runs in a session of its own, so Ctrl-C does not reach it.
"""

from __future__ import annotations

import json
import selectors
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.databases.binaries import MissingBinaries
from tests.databases.servers import KINDS, ServerProcess

Answer = dict[str, Any]


class Keeper:
    """All servers of one session, by number; the first of a kind leaves a pristine copy for those that follow."""

    def __init__(self) -> None:
        self._servers: dict[int, ServerProcess] = {}
        self._shared: dict[str, Answer] = {}
        self._pristine: dict[str, Path] = {}

    def answer(self, do: str, argument: Any, durable: bool) -> Answer:
        """Do what is asked of a kind or of a numbered server.

        Returns:
            ``{"server", "port", "pid"}``, or ``{"missing": why}`` where a program is not installed, or
            ``{"failed": why}``.
        """
        try:
            match do:
                case "share":
                    return self._share(argument, durable)
                case "begin":
                    return self._begin(argument, durable)
                case "start" | "stop" | "discard":
                    return self._steer(do, argument)
                case _:
                    return {"failed": f"unknown request {do!r}"}
        except MissingBinaries as missing:
            return {"missing": str(missing)}
        except (OSError, RuntimeError, LookupError) as fault:
            return {"failed": str(fault)}

    def close(self) -> None:
        """End all servers and remove all folders."""
        for server in self._servers.values():
            server.discard()
        for pristine in self._pristine.values():
            shutil.rmtree(pristine.parent, ignore_errors=True)

    def _share(self, kind: str, durable: bool) -> Answer:
        if kind not in self._shared:
            self._shared[kind] = self._first(kind, durable)
        return self._shared[kind]

    def _first(self, kind: str, durable: bool) -> Answer:
        try:
            return self._begin(kind, durable)
        except MissingBinaries as missing:
            return {"missing": str(missing)}  # remembered: installing is tried once

    def _begin(self, kind: str, durable: bool) -> Answer:
        server = KINDS[kind](durable=durable)
        number = server.port
        self._servers[number] = server
        if kind in self._pristine:
            server.adopt(self._pristine[kind])
        else:
            self._pristine[kind] = server.initialise()
        server.start()
        return self._described(server)

    def _steer(self, do: str, number: int) -> Answer:
        server = self._servers[number]
        match do:
            case "start":
                server.start()
            case "stop":
                server.stop()
            case "discard":
                self._servers.pop(number).discard()
        return self._described(server)

    def _described(self, server: ServerProcess) -> Answer:
        return {"server": server.port, "port": server.port, "pid": server.pid}


def serve(path: str) -> None:
    """Answer requests until the lifeline ends."""
    keeper = Keeper()
    try:
        with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
            listener.bind(path)
            listener.listen(64)
            print("ready", flush=True)  # noqa: T201 - the starter waits for this line
            selector.register(listener, selectors.EVENT_READ)
            selector.register(sys.stdin, selectors.EVENT_READ)
            while all(key.fileobj is listener for key, _ in selector.select()):
                _converse(keeper, listener)
    finally:
        keeper.close()
        shutil.rmtree(Path(path).parent, ignore_errors=True)


def _converse(keeper: Keeper, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rw") as stream:
        try:
            stream.write(json.dumps(keeper.answer(**json.loads(stream.readline()))) + "\n")
            stream.flush()
        except (OSError, ValueError):
            return  # the asker has gone away


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(sys.argv[1])
