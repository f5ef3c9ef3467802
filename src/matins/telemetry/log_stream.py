"""A stream for log lines that never holds up whoever writes one.

A log's reader may go, or stop reading: then the pipe to it breaks, or fills up, and whoever writes to it waits, the
heartbeat too. Lines that cannot be written now are dropped, and how many is said once there is room again. Nothing is
kept in a buffer, which a process could be unable to empty at its end.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TextIO

_PIECE = select.PIPE_BUF
"""A pipe that can be written to at all takes so many bytes at once."""
_PATIENCE_MS = 100
"""How long a reader that kept up so far is waited for."""


class LogStream:
    """Writes whole lines straight to a stream's descriptor; safe to share between threads."""

    def __init__(self, stream: TextIO) -> None:
        self._fd = stream.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        self._lock = threading.Lock()
        self._line = ""
        self._dropped = 0

    def write(self, text: str) -> int:
        """Take a part of a line; a line is written when its end comes."""
        with self._lock:
            self._line += text
            if self._line.endswith("\n"):
                line, self._line = self._line, ""
                self._write_line(line)
        return len(text)

    def flush(self) -> None:
        """There is never anything to flush."""

    def _write_line(self, line: str) -> None:
        if self._dropped and self._send(f"({self._dropped} lines were dropped: nobody read them)\n"):
            self._dropped = 0
        if self._dropped or not self._send(line):
            self._dropped += 1

    def _send(self, line: str) -> bool:
        rest = memoryview(line.encode(errors="backslashreplace"))
        patience = 0 if self._dropped else _PATIENCE_MS
        try:
            while rest:
                ready = self._poll.poll(patience)
                if not ready or not ready[0][1] & select.POLLOUT:
                    return False
                rest = rest[os.write(self._fd, rest[:_PIECE]) :]
        except OSError:
            return False
        return True
