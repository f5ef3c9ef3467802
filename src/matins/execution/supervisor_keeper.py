"""Keeps a slot's interpreter: starts it, gives up on a broken application, and replaces one that is worn.

An application gets two attempts in a row; after that every order is answered with what was wrong, and the next attempt
waits for an order and for a pause that doubles. So a broken deploy costs two imports a pause, and no order waits on it.
"""

from __future__ import annotations

import json

from matins.execution.capture import Capture
from matins.execution.frames import ToDaemon
from matins.execution.supervisor_child import Child, spawn_interpreter
from matins.execution.supervisor_intake import Intake
from matins.execution.supervisor_link import Link
from matins.execution.supervisor_processes import Processes

NEVER = float("inf")
_ATTEMPTS = 2
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_STARTUP_LINES, _STARTUP_BYTES = 100, 8192
_LEAVE_WITHIN = 1.0
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
        self,
        *,
        link: Link,
        intake: Intake,
        processes: Processes,
        app_ref: str,
        executable: str,
        start_seconds: float,
        recycle_after: int,
        max_growth: int,
    ) -> None:
        self._link = link
        self._intake = intake
        self._processes = processes
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
        """When an interpreter that is starting is given up on."""
        self.startup: Capture | None = None
        """What an interpreter that is starting prints."""

    # Starting.

    def ready(self, now: float, *, fresh: bool) -> Child | None:
        """An interpreter to run in, or None while one is being started.

        Raises:
            Unloadable: there is none to be had for now.
        """
        if fresh and self.child is not None and self.child.runs:
            self.retire()
        if self.child is not None:
            return self.child if self.child.ready else None
        if now < self._pause_until:
            raise Unloadable(self._error)
        return None if self._start(now) else self.ready(now, fresh=fresh)

    def start_ahead(self, now: float) -> None:
        """Start an interpreter before it is needed, if the last one could be started."""
        if self.child is None and self._failures == 0:
            self._start(now)

    def _start(self, now: float) -> bool:
        try:
            self.child = spawn_interpreter(self._app_ref, self._executable)
        except OSError as fault:
            self._failed([type(fault).__name__, f"no interpreter can be started: {fault}", ""], now)
            return False
        self.start_by = now + self._start_seconds
        self.startup = Capture(max_lines=_STARTUP_LINES, max_bytes=_STARTUP_BYTES, max_line_bytes=1024)
        self._intake.listen(self.child)
        return True

    def started(self) -> None:
        """The interpreter has imported the application."""
        if self.child is not None:
            self._failures = 0
            self.start_by, self.startup = NEVER, None
            self.child.settle()
            self._processes.settle()

    def not_started(self, error: list[str], now: float) -> None:
        """The interpreter that was starting cannot, or was too slow."""
        child, startup = self.child, self.startup
        if child is None:
            return
        kind, message, traceback = error
        if startup is not None:
            self._processes.kill(child)
            self._intake.drain(child, startup)
            traceback += "".join(f"\n{line[3]}" for line in startup.finish(now))
        self.discard()
        self._failed([kind, message, traceback], now)

    def tend(self, now: float) -> None:
        """Give up on an interpreter that takes too long to start."""
        if now >= self.start_by:
            self.not_started(["AppLoadError", "importing the application took too long", ""], now)

    def _failed(self, error: list[str], now: float) -> None:
        self._error = error
        self._failures += 1
        if self._failures % _ATTEMPTS == 0:
            pause = _PAUSE * 2 ** (self._failures // _ATTEMPTS - 1)
            self._pause_until = now + min(_LONGEST_PAUSE, pause)
        self._link.tell(ToDaemon.FAULT, f"{error[0]}: {error[1]}", now)

    # Ending.

    def worn(self, child: Child, seconds: float) -> bool:
        """Whether an interpreter should be replaced after a run that took so long and ended well."""
        if child.runs >= self._recycle_after:
            return True
        if seconds < _LONG and child.runs % _LOOK_AT_MEMORY_EVERY:
            return False
        return child.memory() - child.memory_at_start > self._max_growth

    def retire(self) -> None:
        """Let the interpreter end in good order, and kill it if it does not."""
        child = self.child
        if child is None:
            return
        self._intake.stop_listening(child)
        child.close_channel()
        if child.ready:
            child.wait(_LEAVE_WITHIN)
        self.discard()

    def discard(self) -> None:
        """Kill the interpreter with everything below it."""
        child, self.child = self.child, None
        self.start_by, self.startup = NEVER, None
        if child is not None:
            self._processes.kill(child)
            self._intake.forget(child)


def read_error(payload: bytes) -> list[str]:
    """The type, message and traceback an interpreter sent."""
    try:
        kind, message, traceback = json.loads(payload)
    except ValueError:
        return ["AppLoadError", "the interpreter could not say what was wrong", ""]
    return [str(kind), str(message), str(traceback)]
