"""The processes below a supervisor: which of them a run left behind, and killing and reaping them.

The interpreter and the helpers its application started while it was imported belong there; everything else
below the supervisor is the present run's.
"""

from __future__ import annotations

import os
import signal

from matins.execution import strays
from matins.execution.supervisor_child import Child

_DIE_WITHIN = 2.0


class Processes:
    """Everything below this process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._own = os.open(f"/proc/self/task/{self._pid}/children", os.O_RDONLY | os.O_CLOEXEC)
        self._at_rest: bytes | None = None

    def settle(self) -> None:
        """Take what is here now for what belongs here."""
        self._at_rest = os.pread(self._own, 65536, 0)

    def left_by(self, child: Child, interpreter: Child | None) -> list[int]:
        """What a run in this child has left running; cheap when it left nothing."""
        same = self._at_rest is not None and os.pread(self._own, 65536, 0) == self._at_rest
        if same and child is interpreter and not child.may_have_kin():
            return []
        self.reap(child)
        found = self._foreign(interpreter)
        if not found:
            self.settle()
        return found

    def _foreign(self, interpreter: Child | None) -> list[int]:
        if interpreter is None:
            return strays.descendants_of(self._pid)
        if not interpreter.ready:
            return strays.descendants_of(self._pid, spare=frozenset((interpreter.pid,)))
        helpers = interpreter.helpers
        below = strays.descendants_of(interpreter.pid, spare=helpers)
        return below + strays.descendants_of(self._pid, spare=helpers | {interpreter.pid})

    def kill_left(self, child: Child, interpreter: Child | None) -> list[int]:
        """Kill what a run left beside the interpreter and its helpers; returns what would not die."""
        return strays.kill_all(lambda: self._foreign(interpreter), lambda: self.reap(child))

    def kill(self, child: Child, *, sparing: Child | None = None) -> list[int]:
        """Kill a child, its group and everything it left; returns what would not die."""
        child.collect()
        if child.status is None:
            child.kill_group()
        left = strays.kill_all(lambda: self._foreign(sparing), lambda: self.reap(child))
        child.wait(_DIE_WITHIN)
        return left

    def ask(self, child: Child, interpreter: Child | None) -> None:
        """Send SIGTERM to a child's group and to whatever left the group."""
        child.ask_group()
        spared = child if child is interpreter else None
        detached = [pid for pid in self._foreign(spared or interpreter) if not child.has_in_group(pid)]
        strays.signal_each(detached, signal.SIGTERM)

    def reap(self, child: Child | None) -> None:
        """Take the exit statuses of adopted orphans; the child's own is kept in it."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if child is not None and pid == child.pid:
                    child.status = status
        except ChildProcessError:
            return
