"""A throw-away Redis for the peers that need a broker; installed from Debian when it is missing and we may."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.databases.binaries import find_or_install
from tests.databases.process import free_port


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis that keeps nothing, and its URL.

    Raises:
        MissingBinaries: it is not installed and cannot be.
    """
    (program,) = find_or_install("redis-server", [("redis-server",)])
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([program, *options, "--dir", folder], stdout=subprocess.DEVNULL) as server,
    ):
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("redis-server did not start")
