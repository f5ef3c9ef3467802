"""The process under a supervisor: an interpreter, or a shell job's command.

Starting it, its pipes and its private channel, how it ended. It is spawned, never forked: the new process has
only the descriptors it is given, a session of its own and the signals' default actions.
"""

from __future__ import annotations

import os
import select
import signal
from _socket import AF_UNIX, SOCK_STREAM, socketpair  # The C half alone: the other imports enums at a price.

from matins.execution import strays, system
from matins.execution.frames import FrameReader, pack
from matins.execution.system import ProcFile

_READ = 65536
_CHANNEL_FD = 3
_LINKS_OF_ONE_THREAD = 3
_LARGEST_ANSWER = 1024 * 1024
_INTERPRETER = "from matins.execution.interpreter import main; main()"
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Child:
    """One process, its ends of the pipes, and for an interpreter the private channel."""

    def __init__(self, pid: int, out: int, err: int, channel: int | None) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.out = out
        self.err = err
        self.channel = channel
        self.reader = FrameReader(_LARGEST_ANSWER)
        self.unsent = b""
        self.status: int | None = None
        self.ready = False
        self.killed = False
        self.closed_channel = False
        self.runs = 0
        self.helpers: frozenset[int] = frozenset()
        self.memory_at_start = 0
        self._kin = ProcFile(f"/proc/{pid}/task/{pid}/children")
        self._memory = ProcFile(f"/proc/{pid}/statm")
        self._kin_at_start: bytes | None = None

    @property
    def descriptors(self) -> list[int]:
        """What there is to wait on."""
        return [fd for fd in (self.channel, self.out, self.err, self.pidfd) if fd is not None]

    def settle(self) -> None:
        """The application is imported: whatever runs beside the interpreter now belongs to it."""
        self.ready = True
        self.helpers = frozenset(strays.descendants_of(os.getpid())) - {self.pid}
        self._kin_at_start = self._kin.read()
        self.memory_at_start = self.memory()

    def may_have_kin(self) -> bool:
        """Whether the interpreter may have other children than after the import; cheap, False only when sure.

        The kernel lists children by thread, and the open file is the main thread's: with more threads it
        proves nothing.
        """
        kin = self._kin.read()
        if kin is None or kin != self._kin_at_start:
            return True
        try:
            return os.stat(f"/proc/{self.pid}/task").st_nlink > _LINKS_OF_ONE_THREAD
        except OSError:
            return True

    def memory(self) -> int:
        """Resident bytes, 0 when that cannot be read."""
        fields = (self._memory.read() or b"").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0

    def send(self, kind: int, payload: bytes = b"") -> None:
        """Tell the interpreter; what its channel does not take now is kept in `unsent`."""
        self.unsent += pack(kind, payload)
        self.push()

    def push(self) -> None:
        """Send what is unsent, as far as the channel takes it. A dead interpreter is noticed elsewhere."""
        if self.channel is None:
            return
        try:
            self.unsent = self.unsent[os.write(self.channel, self.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = b""

    def receive(self) -> list[tuple[int, bytes]] | None:
        """The frames that have arrived; None when the channel is at its end.

        Raises:
            DamagedChannel: what arrived is no frame.
        """
        if self.channel is None:
            return None
        data = read_now(self.channel)
        if data is None:
            return []
        return self.reader.feed(data) if data else None

    def receive_all(self) -> list[tuple[int, bytes]]:
        """Every frame that has arrived, of a process that has ended."""
        frames: list[tuple[int, bytes]] = []
        while self.channel is not None and (data := read_now(self.channel)):
            frames += self.reader.feed(data)
        return frames

    def ask_group(self) -> None:
        """Send SIGTERM to it and its group."""
        self._signal_group(signal.SIGTERM)

    def kill_group(self) -> None:
        """Send SIGKILL to it and its group."""
        self.killed = True
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        # Its number is its own until it is reaped, so nobody else can be hit.
        if self.status is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                strays.signal_each([self.pid], number)

    def has_in_group(self, pid: int) -> bool:
        """Whether a process is in the group that this one leads."""
        try:
            return os.getpgid(pid) == self.pid
        except OSError:
            return False

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, giving it so long to do so."""
        if self.status is None:
            select.select([self.pidfd], [], [], seconds)
            self.collect()
        return self.status is not None

    def collect(self) -> None:
        """Take its exit status if it has ended."""
        if self.status is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0  # Nobody else reaps: this cannot be, and must not hold anything up.
        if pid:
            self.status = status

    def close_channel(self) -> None:
        """Let the interpreter see the end of its orders."""
        if self.channel is not None:
            os.close(self.channel)
            self.channel = None

    def close(self) -> None:
        """Let go of every descriptor."""
        self.close_channel()
        for fd in (self.out, self.err, self.pidfd):
            os.close(fd)
        self._kin.close()
        self._memory.close()


def spawn_interpreter(app_ref: str, executable: str) -> Child:
    """Start an interpreter that will import the application."""
    ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
    try:
        argv = [executable, "-c", _INTERPRETER, app_ref, str(os.getpid())]
        channel = os.dup(ours.fileno())
        os.set_blocking(channel, False)
        return _spawn(executable, argv, dict(os.environ), channel, theirs.fileno())
    finally:
        ours.close()
        theirs.close()


def spawn_command(command: str | list[str], environment: dict[str, str]) -> Child:
    """Start a shell job's command.

    Raises:
        OSError: it cannot be started.
    """
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    return _spawn(argv[0], argv, {**os.environ, **environment}, None, None)


def _spawn(path: str, argv: list[str], environment: dict[str, str], ours: int | None, theirs: int | None) -> Child:
    out, out_theirs = os.pipe()
    err, err_theirs = os.pipe()
    os.set_blocking(out, False)
    os.set_blocking(err, False)
    null = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate((null, out_theirs, err_theirs))]
    if theirs is not None:
        actions.append((os.POSIX_SPAWN_DUP2, theirs, _CHANNEL_FD))
    try:
        pid = os.posix_spawnp(
            path,
            argv,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
    except OSError:
        for fd in (out, err, ours):
            if fd is not None:
                os.close(fd)
        raise
    finally:
        for fd in (null, out_theirs, err_theirs):
            os.close(fd)
    system.prefer_as_victim(pid)
    return Child(pid, out, err, ours)


def read_now(fd: int) -> bytes | None:
    """What can be read at once: None when there is nothing yet, no bytes at the end."""
    try:
        return os.read(fd, _READ)
    except BlockingIOError:
        return None
    except OSError:
        return b""
