"""Serves the sample feeds on the loopback interface, so that the example needs no network.

``python -m newsdesk.sample_server`` prints the feeds' addresses on one line and serves until it is stopped or its
standard input ends.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).parent / "sample_feeds"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the jobs log what they fetch."""


@contextmanager
def serving() -> Iterator[tuple[str, ...]]:
    """Serve the sample feeds meanwhile, and give their addresses."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(FOLDER))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sample-feeds")
        thread.start()
        try:
            names = sorted(path.name for path in FOLDER.glob("*.xml"))
            yield tuple(f"http://127.0.0.1:{server.server_port}/{name}" for name in names)
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with serving() as addresses:
        print(*addresses, flush=True)
        sys.stdin.read()
