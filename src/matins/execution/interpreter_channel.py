"""An interpreter's end of its private channel, and of the signal that stops a run.

Frames must not be torn: a stop that arrives while one is being sent takes effect when it is sent. And they
must be the interpreter's own: a process forked by a job has the same objects in its memory, and nothing it
does may be taken for the run's.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from socket import MSG_DONTWAIT, MSG_PEEK, socket

from matins.clock import Clock
from matins.execution.context import Cancelled
from matins.execution.frames import FrameReader, FromInterpreter, ToInterpreter, pack

_READ = 65536
_PIECE = 65536
_PROGRESS_EVERY = 0.25


class Channel:
    """The line to the supervisor; satisfies what a `JobContext` needs."""

    def __init__(self, line: socket, clock: Clock) -> None:
        self.clock = clock
        self._line = line
        self._reader = FrameReader()
        self._arrived: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._main = threading.get_ident()
        self._shielded = 0
        self._running = False
        self._looks = False
        self._redirected: Callable[[], object] | None = None
        self._owed = False
        self._progress_at = 0.0
        self._held_progress: bytes | None = None
        self._signalled = False
        self.stop_asked = False

    @property
    def ours(self) -> bool:
        """Whether this is the process the channel belongs to, and not one that a job forked."""
        return os.getpid() == self._pid

    # Frames.

    def receive(self) -> bytes | None:
        """The next run to do; None when there will be none."""
        while True:
            for kind, payload in self._take():
                if kind == ToInterpreter.RUN:
                    return payload
            data = self._line.recv(_READ)
            if not data:
                return None
            self._arrived += self._reader.feed(data)

    def _take(self) -> list[tuple[int, bytes]]:
        taken, self._arrived = self._arrived[:1], self._arrived[1:]
        return taken

    def send(self, kind: int, payload: bytes) -> None:
        """Send a frame whole, or not at all."""
        if not self.ours:
            return
        in_main = threading.get_ident() == self._main
        if in_main:
            self._shielded += 1
        try:
            with self._lock:
                self._line.sendall(pack(kind, payload))
        finally:
            if in_main:
                self._shielded -= 1
        if in_main and self._owed and not self._shielded:
            self._owed = False
            self._interrupt()

    def write(self, kind: int, data: bytes) -> None:
        """Send output, in pieces that the supervisor takes."""
        for start in range(0, len(data), _PIECE):
            self.send(kind, data[start : start + _PIECE])

    def log(self, level: str, text: str) -> None:
        """Send a log record."""
        head = level[:40].replace("\n", " ").encode("utf-8", "replace") + b"\n"
        self.send(FromInterpreter.LOG, head + text.encode("utf-8", "replace")[: 4 * _PIECE])

    # Progress.

    def progress(self, fraction: float | None, message: str) -> None:
        """Send what the job says of itself, not too often; the last word goes with the result."""
        self._held_progress = _progress_payload(fraction, message)
        now = self.clock.monotonic()
        if now >= self._progress_at:
            self._progress_at = now + _PROGRESS_EVERY
            self.send_held_progress()

    def send_held_progress(self) -> None:
        """Send the last word if it has not been."""
        held, self._held_progress = self._held_progress, None
        if held is not None:
            self.send(FromInterpreter.PROGRESS, held)

    # Stopping.

    def run_begins(self) -> None:
        """From here on a stop interrupts; raises at once when one has come already."""
        self._looks = False
        self._progress_at = 0.0
        self._running = True
        if self._signalled:
            self._look_whether_asked()

    def run_ends(self) -> None:
        """From here on nothing is interrupted."""
        self._running = False
        self._redirected = None

    def redirect(self, action: Callable[[], object] | None) -> None:
        """Have a stop call this instead of raising."""
        self._redirected = action

    def promise_to_look(self) -> None:
        """The job watches `cancelled`: nothing is to be raised in it."""
        self._looks = True

    def on_sigterm(self, _number: int, _frame: object) -> None:
        """The signal's handler. A SIGTERM the supervisor did not announce is somebody else's, and ignored.

        A service manager that signals every process of a service at once must not cut short what the daemon
        still gives time to.
        """
        if not self.ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._signalled = True
        if self._running and not self.stop_asked:
            self._look_whether_asked()

    def _look_whether_asked(self) -> None:
        # While a run is on, a stop is the only thing the supervisor sends, and it sends it before the signal.
        if self._announced():
            self.stop_asked = True
            self._interrupt()

    def _announced(self) -> bool:
        if self._arrived or self._reader.midway:
            return True
        try:
            return bool(self._line.recv(1, MSG_PEEK | MSG_DONTWAIT))
        except OSError:
            return False

    def _interrupt(self) -> None:
        if self._shielded:
            self._owed = True
        elif self._redirected is not None:
            self._redirected()
        elif self._running and not self._looks:
            raise Cancelled


def _progress_payload(fraction: float | None, message: str) -> bytes:
    share = None if fraction is None else min(1.0, max(0.0, float(fraction)))
    return json.dumps([share, str(message)[:500]]).encode()
