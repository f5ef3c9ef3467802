"""Signals as flags: a handler only notes that a signal came and ends the main thread's wait.

The wait is on a pipe and not on a threading event: a handler runs in the main thread between two instructions, and one
that set an event the main thread was just waiting for could deadlock on the event's own lock.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType

_STOPS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """A context in which SIGTERM, SIGINT and SIGHUP are noted instead of obeyed. For the main thread."""

    def __init__(self) -> None:
        self.stops: list[str] = []
        self._reload = False
        self._before: dict[int, object] = {}
        self._reader, self._writer = -1, -1

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (*_STOPS, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reader)
        writer, self._writer = self._writer, -1
        os.close(writer)

    def stop(self, why: str) -> None:
        """Ask for a stop as a signal would; from any thread."""
        self.stops.append(why)
        self._wake()

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def wait(self, seconds: float | None) -> None:
        """Return when a signal comes or after so long."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        if ready:
            os.read(self._reader, 4096)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self.stops.append(signal.Signals(number).name)
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._writer, b"!")
        except OSError:
            return  # the pipe is full of wake-ups already, or nobody waits any more
