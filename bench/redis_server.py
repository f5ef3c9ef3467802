"""A throw-away Redis for the peers that need a broker; installed from Debian when it is missing and we may."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.databases import process
from tests.databases.binaries import find_or_install


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis that keeps nothing, and its URL.

    Raises:
        MissingBinaries: it is not installed and cannot be.
    """
    (program,) = find_or_install("redis-server", [("redis-server",)])
    port = process.free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = process.spawn([program, *options], None, folder, folder / "log")
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("redis-server did not start")
