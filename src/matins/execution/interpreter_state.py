"""What a job may have changed in its interpreter, put back between runs where that is cheap and sure."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from typing import Any

_HANDLED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE,
    signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
_LIMITS = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_AS,
    resource.RLIMIT_STACK,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_CORE,
)


class ProcessState:
    """How the interpreter was when its application had been imported."""

    def __init__(self) -> None:
        self._directory = os.getcwd()
        self._environment = dict(os.environ)
        self._raw_environment = dict(_raw_environment())
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._handlers = [(number, signal.getsignal(number)) for number in _HANDLED]
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._recursion = sys.getrecursionlimit()
        self._path = list(sys.path)
        self._limits = [(number, resource.getrlimit(number)) for number in _LIMITS]
        self._threads = frozenset(threading.enumerate())

    def restore(self) -> None:
        """Put everything back.

        Raises:
            OSError, ValueError: it cannot be; the interpreter is of no more use.
        """
        self._restore_place()
        self._restore_signals()
        self._restore_limits()
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        if sys.path != self._path:
            sys.path[:] = self._path

    def _restore_place(self) -> None:
        try:
            moved = os.getcwd() != self._directory
        except FileNotFoundError:
            moved = True
        if moved:
            os.chdir(self._directory)
        os.umask(self._umask)
        if _raw_environment() != self._raw_environment:
            os.environ.clear()
            os.environ.update(self._environment)

    def _restore_signals(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers:
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _restore_limits(self) -> None:
        for number, limits in self._limits:
            if resource.getrlimit(number) != limits:
                resource.setrlimit(number, limits)

    def leaked_threads(self) -> list[str]:
        """The threads that would keep a process from ending; daemon threads are taken to be a library's."""
        if threading.active_count() <= len(self._threads):
            return []
        return [t.name for t in threading.enumerate() if not t.daemon and t not in self._threads]


def _raw_environment() -> dict[Any, Any]:
    """The environment as the standard library holds it: comparing the mapping itself would decode all of it each time."""
    raw: dict[Any, Any] | None = getattr(os.environ, "_data", None)
    return dict(os.environ) if raw is None else raw
