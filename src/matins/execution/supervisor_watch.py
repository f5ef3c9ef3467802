"""Waiting on descriptors: each has one handler, and the loop that waits knows nothing else of it."""

from __future__ import annotations

import select
from collections.abc import Callable

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT


class Watcher:
    """An epoll with handlers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def add(self, fd: int, handler: Callable[[int], None]) -> None:
        """Call the handler with the descriptor whenever it can be read or is at its end."""
        self._handlers[fd] = handler
        self._epoll.register(fd, READABLE)

    def want_to_write(self, fd: int, wanted: bool) -> None:
        """Whether the handler is to be called also when the descriptor can be written."""
        self._epoll.modify(fd, READABLE | WRITABLE if wanted else READABLE)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; must come before closing it."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wait(self, seconds: float) -> None:
        """Call the handlers of whatever is ready, waiting at most so long for it; endlessly when negative."""
        for fd, _ in self._epoll.poll(seconds):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(fd)
