"""Keeps a slot's interpreter: starts it, gives up on a broken application, says when a used one should go.

An application gets two attempts in a row; after that every order is answered with what was wrong, and the
next attempt waits for an order and for a pause that doubles. So a broken deploy costs two imports a pause,
and no order waits on it.
"""

from __future__ import annotations

import json

from matins.execution.capture import Capture
from matins.execution.supervisor_child import Child, spawn_interpreter

NEVER = float("inf")
_ATTEMPTS = 2
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_STARTUP_LINES, _STARTUP_BYTES = 100, 8192
_LOOK_AT_MEMORY_EVERY = 16
_LONG = 0.05
"""Seconds after which a run is looked at singly: short ones cannot each grow much."""


class Unloadable(Exception):
    """The application cannot be imported now; carries a type, a message and a traceback."""

    def __init__(self, error: list[str]) -> None:
        super().__init__(error[1])
        self.error = error


class Keeper:
    """The slot's interpreter and what is known of its health."""

    def __init__(
        self, *, app_ref: str, executable: str, start_seconds: float, recycle_after: int, max_growth: int
    ) -> None:
        self._app_ref = app_ref
        self._executable = executable
        self._start_seconds = start_seconds
        self._recycle_after = recycle_after
        self._max_growth = max_growth
        self._failures = 0
        self._pause_until = 0.0
        self._error: list[str] = []
        self.child: Child | None = None
        self.start_by = NEVER
        self.startup: Capture | None = None

    def start(self, now: float) -> Child:
        """Start an interpreter; it says by itself when it is ready."""
        self.child = spawn_interpreter(self._app_ref, self._executable)
        self.start_by = now + self._start_seconds
        self.startup = Capture(max_lines=_STARTUP_LINES, max_bytes=_STARTUP_BYTES, max_line_bytes=1024)
        return self.child

    @property
    def may_start(self) -> bool:
        """Whether an interpreter should be started ahead of need: the last one could be."""
        return self.child is None and self._failures == 0

    def check(self, now: float) -> None:
        """Raises:
        Unloadable: the application could not be imported a moment ago, and it is too early to try again.
        """
        if now < self._pause_until:
            raise Unloadable(self._error)

    def succeeded(self) -> None:
        """The interpreter is ready."""
        assert self.child is not None  # noqa: S101
        self._failures = 0
        self.start_by = NEVER
        self.startup = None
        self.child.settle()

    def failed(self, error: list[str], now: float) -> None:
        """The interpreter did not become ready."""
        kind, message, traceback = error
        self._error = [kind, message, traceback + self._said(now)]
        self.forget()
        self._failures += 1
        if self._failures % _ATTEMPTS == 0:
            pause = _PAUSE * 2 ** (self._failures // _ATTEMPTS - 1)
            self._pause_until = now + min(_LONGEST_PAUSE, pause)

    def _said(self, now: float) -> str:
        lines = self.startup.finish(now) if self.startup is not None else []
        return "".join(f"\n{line[3]}" for line in lines)

    def forget(self) -> None:
        """There is no interpreter any more."""
        self.child = None
        self.start_by = NEVER
        self.startup = None

    def worn(self, child: Child, seconds: float) -> bool:
        """Whether an interpreter should be replaced after a run that took so long and ended well."""
        if child.runs >= self._recycle_after:
            return True
        if seconds < _LONG and child.runs % _LOOK_AT_MEMORY_EVERY:
            return False
        return child.memory() - child.memory_at_start > self._max_growth


def read_error(payload: bytes) -> list[str]:
    """The type, message and traceback an interpreter sent."""
    try:
        kind, message, traceback = json.loads(payload)
    except ValueError:
        return ["AppLoadError", "the interpreter could not say what was wrong", ""]
    return [str(kind), str(message), str(traceback)]
