"""Takes in what a child says: on its private channel, on its pipes, and by ending.

Output goes to whichever capture is the child's at that moment; everything else is handed to the hearer. The end of a
process comes last: what it had said before is taken in first.
"""

from __future__ import annotations

from typing import Protocol

from matins.execution.capture import Capture, Source
from matins.execution.frames import DamagedChannel, FromInterpreter
from matins.execution.supervisor_child import Child, read_now
from matins.execution.supervisor_processes import Processes
from matins.execution.supervisor_watch import Watcher
from matins.execution.system import boottime

_DRAIN_AT_MOST = 4 * 1024 * 1024
_EXIT_WITHIN = 0.25
"""How long a process whose channel has ended may take to die, before it counts as having closed it."""
_MANY_LEVELS = 100
_WRITTEN = {FromInterpreter.STDOUT: Source("stdout"), FromInterpreter.STDERR: Source("stderr")}
_PIPED_OUT, _PIPED_ERR = Source("stdout"), Source("stderr")


class Hearer(Protocol):
    """Whoever acts on what a child says."""

    def capture_of(self, child: Child) -> Capture | None:
        """Where the child's output belongs now; None when to nobody."""
        ...

    def heard(self, child: Child, kind: int, payload: bytes) -> None:
        """The child said something that is not output."""
        ...

    def gone(self, child: Child) -> None:
        """The child has ended, or will not be heard of again."""
        ...


class Intake:
    """The ears of a supervisor."""

    def __init__(self, *, watcher: Watcher, processes: Processes) -> None:
        self._watcher = watcher
        self._processes = processes
        self._levels: dict[bytes, Source] = {}
        self.hearer: Hearer | None = None

    def listen(self, child: Child) -> None:
        """Hear a child from now on."""
        self._processes.add(child)
        self._watcher.add(child.out, lambda fd: self._on_pipe(child, fd, _PIPED_OUT))
        self._watcher.add(child.err, lambda fd: self._on_pipe(child, fd, _PIPED_ERR))
        if child.channel is not None:
            self._watcher.add(child.channel, lambda _: self.hear(child))
        self._watcher.add(child.pidfd, lambda _: self._on_exit(child))

    def stop_listening(self, child: Child) -> None:
        """Hear nothing more of a child, not even its end."""
        for fd in child.descriptors:
            self._watcher.remove(fd)

    def forget(self, child: Child) -> None:
        """Let go of a child that is dead."""
        self.stop_listening(child)
        self._processes.remove(child)
        child.close()

    def tell(self, child: Child, kind: int, payload: bytes = b"") -> None:
        """Send a frame to an interpreter, at once as far as it goes and the rest when its channel takes it."""
        child.send(kind, payload)
        if child.unsent and child.channel is not None:
            self._watcher.want_to_write(child.channel, True)

    def hear(self, child: Child) -> None:
        """Take in what is on the channel now."""
        if child.channel is None:
            return
        if child.unsent:
            child.push()
            self._watcher.want_to_write(child.channel, bool(child.unsent))
        try:
            frames = child.receive()
        except DamagedChannel:
            frames = None
        if frames is None:
            self._lose(child)
            return
        for kind, payload in frames:
            self._hear_frame(child, kind, payload)

    def _hear_frame(self, child: Child, kind: int, payload: bytes) -> None:
        if kind in _WRITTEN:
            self._keep(child, _WRITTEN[kind], payload)
        elif kind == FromInterpreter.LOG:
            level, _, text = payload.partition(b"\n")
            self._keep(child, self._level(level), text + b"\n")
        elif self.hearer is not None:
            self.hearer.heard(child, kind, payload)

    def _level(self, name: bytes) -> Source:
        source = self._levels.get(name)
        if source is None:
            if len(self._levels) > _MANY_LEVELS:  # Names are the job's to choose.
                self._levels.clear()
            source = self._levels[name] = Source("log", name[:20].decode("utf-8", "replace"))
        return source

    def _keep(self, child: Child, source: Source, data: bytes) -> None:
        capture = self.hearer.capture_of(child) if self.hearer is not None else None
        if capture is not None:
            capture.write(source, data, boottime())

    def _on_pipe(self, child: Child, fd: int, source: Source) -> None:
        data = read_now(fd)
        if data is None:
            return
        if not data:
            self._watcher.remove(fd)
        self._keep(child, source, data)

    def drain(self, child: Child, capture: Capture) -> None:
        """Take what is left in the pipes. Nobody of the run still writes, but a helper might, endlessly."""
        for fd, source in ((child.out, _PIPED_OUT), (child.err, _PIPED_ERR)):
            taken = 0
            while taken < _DRAIN_AT_MOST and (data := read_now(fd)):
                capture.write(source, data, boottime())
                taken += len(data)

    def _on_exit(self, child: Child) -> None:
        child.collect()
        if child.status is None:
            return  # The descriptor is another's by now.
        try:
            for kind, payload in child.receive_all():
                self._hear_frame(child, kind, payload)
        except DamagedChannel:
            child.close_channel()
        self._lose(child)

    def _lose(self, child: Child) -> None:
        child.closed_channel = not child.wait(_EXIT_WITHIN)
        if self.hearer is not None:
            self.hearer.gone(child)
