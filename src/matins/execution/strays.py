"""Finding and killing processes a run left behind, through /proc.

A process group is no fence: whoever calls `setsid` leaves it, and whoever forks twice is nobody's child. The
supervisor adopts the orphans of all its descendants, so whatever a run started is found below it. What this
does not answer for is deciding when: the supervisor does.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

from matins.execution.system import boottime

_PAUSE = 0.001
_LONGEST = 1024 * 1024
_GIVE_UP_AFTER = 5.0
"""Seconds after which a process that does not die of SIGKILL (it sits in the kernel) is reported and left."""


def children_of(pid: int) -> list[int]:
    """The living and dead children of all threads of a process; none when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except FileNotFoundError:
        return found if _kernel_lists_children() else _children_by_search(pid)
    except (ProcessLookupError, PermissionError):
        return found
    return found


def _kernel_lists_children() -> bool:
    me = os.getpid()
    return os.path.exists(f"/proc/{me}/task/{me}/children")


def _children_by_search(parent: int) -> list[int]:
    """For kernels built without the children files."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _stat(int(name))[1] == parent]


def _stat(pid: int) -> tuple[str, int]:
    """A process's state letter and parent; ``("", 0)`` when it is gone."""
    fields = _read(pid, "stat").rpartition(b") ")[2].split()
    if not fields:
        return "", 0
    return fields[0].decode(), int(fields[1])


def descendants_of(pid: int, *, spare: frozenset[int] = frozenset()) -> list[int]:
    """Everything alive below a process, but not the spared ones and what is below them."""
    found: list[int] = []
    unseen = [pid]
    while unseen:
        for child in children_of(unseen.pop()):
            if child in spare or child in found:
                continue
            unseen.append(child)
            if alive(child):
                found.append(child)
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    return _stat(pid)[0] not in ("", "Z", "X")


def name_of(pid: int) -> str:
    """A process's number and command, for people."""
    # The command line of a process that has only just been started is not there yet; its name is.
    command = _read(pid, "cmdline").replace(b"\0", b" ").strip() or _read(pid, "comm").strip()
    text = command[:200].decode("utf-8", "replace")
    return f"{pid} ({text})" if text else str(pid)


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read(_LONGEST)
    except OSError:
        return b""


def signal_each(pids: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_all(find: Callable[[], list[int]], reap: Callable[[], object]) -> list[int]:
    """Kill whatever `find` finds, until it finds nothing; returns those that could not be killed.

    They are stopped first, so that a process which forks faster than it is killed cannot win the race.
    """
    until = boottime() + _GIVE_UP_AFTER
    while pids := find():
        signal_each(pids, signal.SIGSTOP)
        signal_each(pids, signal.SIGKILL)
        reap()
        if boottime() > until:
            return pids
        select.select([], [], [], _PAUSE)
    return []


def kill_marked(variable: str, value: str) -> list[int]:
    """Kill every process whose environment carries this mark: the offspring of a killed supervisor."""
    mark = f"{variable}={value}".encode()
    killed: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit() and _carries(int(name), mark):
            signal_each([int(name)], signal.SIGKILL)
            killed.append(int(name))
    return killed


def _carries(pid: int, mark: bytes) -> bool:
    return mark in _read(pid, "environ").split(b"\0")
