"""The memory a daemon shares with its supervisors: the lease's deadline, and how far each slot has begun.

Writing a number to memory is what makes both cheap and safe: the heartbeat's thread renews the lease of all
slots without a system call or a lock, and what a slot has begun is known even when its supervisor is killed
before it could say so. Each number has one writer. No user code ever sees the page.
"""

from __future__ import annotations

import mmap
import os

_DEADLINE, _ALLOWANCE, _FIRST_SLOT = 0, 1, 2
NEVER = float("inf")


class SharedPage:
    """The page, as seen by one process."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, size)
        self._reals = memoryview(self._memory).cast("d")
        self._counts = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls, slots: int) -> SharedPage:
        """A new page, with no lease to keep yet."""
        size = 8 * (_FIRST_SLOT + slots)
        fd = os.memfd_create("matins-slots")
        os.ftruncate(fd, size)
        page = cls(fd, size)
        page.renew(NEVER, NEVER)
        return page

    @classmethod
    def opened(cls, fd: int) -> SharedPage:
        """The page behind an inherited descriptor."""
        return cls(fd, os.fstat(fd).st_size)

    def renew(self, deadline: float, allowance: float) -> None:
        """Set until when the lease holds, and the most that may be spent of it on asking a job to stop."""
        self._reals[_ALLOWANCE] = allowance
        self._reals[_DEADLINE] = deadline

    @property
    def deadline(self) -> float:
        """The boot-time reading until which the lease holds."""
        return self._reals[_DEADLINE]

    @property
    def allowance(self) -> float:
        """How many seconds before the deadline a job may at the earliest be asked to stop."""
        return self._reals[_ALLOWANCE]

    def begin(self, slot: int, sequence: int) -> None:
        """Record that a slot is about to begin the order of this number."""
        self._counts[_FIRST_SLOT + slot] = sequence

    def begun(self, slot: int) -> int:
        """The number of the last order this slot began."""
        return self._counts[_FIRST_SLOT + slot]

    def close(self) -> None:
        """Let go of the memory."""
        self._reals.release()
        self._counts.release()
        self._memory.close()
        os.close(self.fd)
