"""Fires at a fixed interval, counted in UTC from an anchor: pure arithmetic, so a restart shifts nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from matins.domain.durations import format_duration
from matins.domain.triggers.base import as_utc, read_instant
from matins.errors import TriggerError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Fires at ``anchor + n * interval`` for every whole n, before the anchor as well as after it."""

    interval: timedelta
    anchor: datetime = EPOCH

    def next_after(self, instant: datetime) -> datetime | None:
        """The first point of the grid strictly later than `instant`; None past the year 9999."""
        steps = (as_utc(instant) - self.anchor) // self.interval + 1
        try:
            return self.anchor + steps * self.interval
        except OverflowError:
            return None

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many fires lie after `after` and not after `until`."""
        return max(0, (until - self.anchor) // self.interval - (after - self.anchor) // self.interval)

    def last_until(self, until: datetime) -> datetime:
        """The last fire that is not after `until`."""
        return self.anchor + (until - self.anchor) // self.interval * self.interval

    def describe(self) -> str:
        """When it fires, in words."""
        text = f"Every {format_duration(self.interval)}"
        return text if self.anchor == EPOCH else f"{text}, counted from {self.anchor:%Y-%m-%d %H:%M:%S} UTC"

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        seconds = self.interval.total_seconds()
        return {
            "kind": "every",
            "seconds": int(seconds) if seconds.is_integer() else seconds,
            "anchor": self.anchor.isoformat(),
        }


def every(
    *,
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
    anchor: datetime | str | None = None,
) -> Every:
    """Fire at a fixed interval. A day is 24 hours here, whatever the clocks do: use `cron` for local times.

    Args:
        seconds: Added up with the other units; 0.1 s in all at least.
        minutes: See `seconds`.
        hours: See `seconds`.
        days: See `seconds`.
        weeks: See `seconds`.
        anchor: An instant that fires; all others lie whole intervals from it. By default 1970-01-01 00:00 UTC.

    Raises:
        TriggerError: When the interval is too short or not a number, or the anchor cannot be read.
    """
    given = {"seconds": seconds, "minutes": minutes, "hours": hours, "days": days, "weeks": weeks}
    interval = _interval({unit: number for unit, number in given.items() if number != 0})
    return Every(interval=interval, anchor=EPOCH if anchor is None else read_instant(anchor, "every: anchor"))


def _interval(given: dict[str, float]) -> timedelta:
    text = ", ".join(f"{unit}={number!r}" for unit, number in given.items())
    for number in given.values():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise TriggerError(f"every({text}): {number!r} is not a number.")
    try:
        interval = timedelta(**given)
    except OverflowError:
        raise TriggerError(f"every({text}): the interval is too long.") from None
    if interval < SHORTEST:
        raise TriggerError(
            f"every({text}): the interval must be 0.1 s or longer.", remedy="Write every(minutes=15), say."
        )
    return interval
