"""The processes below a supervisor: which of them a run left behind, and killing and reaping them.

The interpreter and the helpers its application started while it was imported belong there; everything else below the
supervisor is the present run's.
"""

from __future__ import annotations

import os
import signal

from matins.execution import strays
from matins.execution.supervisor_child import Child
from matins.execution.system import ProcFile

_DIE_WITHIN = 2.0


class Processes:
    """Everything below this process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._own = ProcFile(f"/proc/self/task/{self._pid}/children")
        self._at_rest: bytes | None = None
        self._children: dict[int, Child] = {}

    def add(self, child: Child) -> None:
        """Know a child, so that its exit status is kept whoever reaps it."""
        self._children[child.pid] = child

    def remove(self, child: Child) -> None:
        """Forget a child that has ended."""
        self._children.pop(child.pid, None)

    def settle(self) -> None:
        """Take what is here now for what belongs here."""
        self._at_rest = self._own.read()

    def left_by(self, child: Child, interpreter: Child | None) -> list[int]:
        """What a run in this child has left running; cheap when it left nothing."""
        same = self._at_rest is not None and self._own.read() == self._at_rest
        if same and child is interpreter and not child.may_have_kin():
            return []
        self.reap()
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

    def kill_left(self, interpreter: Child | None) -> list[int]:
        """Kill what is beside the interpreter and its helpers; returns what would not die."""
        return strays.kill_all(lambda: self._foreign(interpreter), self.reap)

    def kill(self, child: Child, *, sparing: Child | None = None) -> list[int]:
        """Kill a child, its group and everything it left; returns what would not die."""
        child.collect()
        if child.status is None:
            child.kill_group()
        left = self.kill_left(sparing)
        child.wait(_DIE_WITHIN)
        return left

    def ask(self, child: Child, interpreter: Child | None) -> None:
        """Send SIGTERM to a child's group and to whatever left the group."""
        child.ask_group()
        detached = [pid for pid in self._foreign(interpreter) if not child.has_in_group(pid)]
        strays.signal_each(detached, signal.SIGTERM)

    def reap(self) -> None:
        """Take the exit statuses of whoever has ended, adopted orphans included."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                child = self._children.get(ended[0])
                if child is not None:
                    child.status = ended[1]
        except ChildProcessError:
            return
