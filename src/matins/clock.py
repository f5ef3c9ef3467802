"""The only place that reads a clock.

Three kinds of time, never mixed: the *wall* clock for what people read, the *monotonic* clock for durations and
waits, the *boot-time* clock (which goes on while the machine sleeps) for lease and run deadlines. What is due and
which lease is over is decided by the database's clock alone; `DatabaseClock` carries its last reading forward.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Readings of this machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, as an aware UTC instant."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and are not set by anybody."""
        ...

    def boottime(self) -> float:
        """Like `monotonic`, but counting the time the machine was suspended."""
        ...


class SystemClock:
    """The real clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when told to; for tests."""

    instant: datetime
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.elapsed

    def boottime(self) -> float:
        return self.elapsed

    def advance(self, by: timedelta) -> None:
        """Move every reading forward."""
        self.instant += by
        self.elapsed += by.total_seconds()


@dataclass(slots=True)
class DatabaseClock:
    """The database's clock, estimated between readings.

    Each reading pairs the database's instant with this machine's boot-time clock at the middle of the round trip; between
    readings the estimate advances by the boot-time clock, so a step of the local wall clock changes nothing.
    """

    clock: Clock
    _offset: float | None = field(default=None)

    def observe(self, instant: datetime, *, sent: float, received: float) -> None:
        """Take a reading of the database's clock made between two boot-time readings."""
        self._offset = instant.timestamp() - (sent + received) / 2

    @property
    def known(self) -> bool:
        """Whether a reading was ever taken."""
        return self._offset is not None

    def now(self) -> datetime:
        """The database's present instant as far as known; the wall clock before the first reading."""
        return self.at(self.clock.boottime())

    def at(self, boottime: float) -> datetime:
        """The database's instant at a boot-time reading of this machine."""
        if self._offset is None:
            return self.clock.now()
        return datetime.fromtimestamp(boottime + self._offset, UTC)
