"""Runs one child to its end or its time limit: never waits for a pipe that a grandchild holds, and leaves no child.

What the child writes to stdout is discarded; of stderr the end is kept.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from matins.clock import Clock, SystemClock

TAIL_BYTES = 4096
LOOK_AGAIN_SECONDS = 0.05
"""How soon the end of a child is noticed whose stderr somebody else still holds."""
_READ = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the child ended."""

    returncode: int
    timed_out: bool
    stderr: str
    """The last lines it wrote."""

    @property
    def words(self) -> str:
        """The exit code or the signal, as part of a sentence."""
        if self.returncode >= 0:
            return f"exited with code {self.returncode}"
        try:
            return f"was killed by {signal.Signals(-self.returncode).name}"
        except ValueError:
            return f"was killed by signal {-self.returncode}"


def run_to_its_end(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    timeout_seconds: float,
    given_up: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
) -> Ending:
    """Run the command in a session of its own; when it has ended, or its time is up, kill its whole group.

    Its time is also up as soon as `given_up` says so, which is asked every 50 ms.
    """
    clock = clock or SystemClock()
    process = subprocess.Popen(
        command,
        env=environment,
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None  # noqa: S101 - asked for just above
    tail = _Tail(process.stderr.fileno())
    try:
        ended = _wait(process.pid, tail, clock, clock.monotonic() + timeout_seconds, given_up)
    finally:
        # The child is not reaped yet, so its group's number still is its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        tail.drain()
        process.stderr.close()
    return Ending(returncode=process.returncode, timed_out=not ended, stderr=tail.text)


def _wait(pid: int, tail: _Tail, clock: Clock, deadline: float, given_up: Callable[[], bool]) -> bool:
    """Read stderr until the child has ended: True; or until the deadline or the giving up: False. Does not reap."""
    with selectors.DefaultSelector() as selector:
        selector.register(tail.descriptor, selectors.EVENT_READ)
        while not _has_ended(pid):
            left = deadline - clock.monotonic()
            if left <= 0 or given_up():
                return False
            if selector.select(min(left, LOOK_AGAIN_SECONDS)) and not tail.read():
                selector.unregister(tail.descriptor)
    return True


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class _Tail:
    """The end of what comes through a pipe; the rest is read and forgotten, so that the writer never blocks."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._kept = b""

    def read(self) -> bool:
        """Take what is there; False at the end of the pipe."""
        try:
            chunk = os.read(self.descriptor, _READ)
        except BlockingIOError:
            return True
        self._kept = (self._kept + chunk)[-TAIL_BYTES:]
        return bool(chunk)

    def drain(self) -> None:
        """Take what is left, without waiting, and no more than a pipe can hold."""
        for _ in range(16):
            before = self._kept
            if not self.read() or self._kept == before:
                return

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace").strip()
