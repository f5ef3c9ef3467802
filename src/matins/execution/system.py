"""What Linux offers to whoever supervises processes and the standard library does not.

The supervisor's only reading of a clock is here: it must stay small, and importing `matins.clock` would cost
it the standard library's dataclasses and datetime. Both read the same clock.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def boottime() -> float:
    """Seconds on the boot-time clock, which goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def adopt_orphans() -> None:
    """Make every descendant whose parent dies a child of this process, however it detached itself."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` dies; exit at once if it is gone already.

    The signal hangs on the parent's *thread*: it is of use only under a process of one thread.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def prefer_as_victim(pid: int, score: int = 700) -> None:
    """Let the kernel take this process first when memory runs out, before the daemon and the supervisors."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(score))
    except OSError:
        return  # It has ended already, or /proc is not writable: a preference, not a promise.


def limit_memory(pid: int, size: int) -> None:
    """Limit the private memory of a process, and of what it starts from now on."""
    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError):
        return  # It has ended already.


class ProcFile:
    """A file of /proc, kept open so that reading it anew is one call; empty where there is none."""

    __slots__ = ("_fd",)

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def read(self) -> bytes | None:
        """What it says now; None when it cannot be read."""
        try:
            return os.pread(self._fd, 65536, 0) if self._fd >= 0 else None
        except OSError:
            return None

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def describe_exit(status: int) -> str:
    """How a process ended, in words, from its wait status."""
    if os.WIFSIGNALED(status):
        return f"killed by {_signal_name(os.WTERMSIG(status))}"
    return f"exit code {os.WEXITSTATUS(status)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
