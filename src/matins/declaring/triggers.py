"""The triggers as users write them: one that cannot be read is kept with its fault, which its schedule then reports.

So every fault of an app is reported at once, and none stops the module that declares it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from matins.domain import triggers
from matins.domain.triggers import DayMatch, KnownTrigger
from matins.errors import TriggerError


@dataclass(frozen=True, slots=True)
class FaultyTrigger:
    """Stands in for a trigger that cannot be read; raises its fault when used."""

    error: TriggerError

    def next_after(self, instant: datetime) -> NoReturn:
        """Raise the fault."""
        raise self.error

    def describe(self) -> NoReturn:
        """Raise the fault."""
        raise self.error

    def to_data(self) -> NoReturn:
        """Raise the fault."""
        raise self.error


def cron(expression: str, tz: str = "UTC", day_match: DayMatch = "or") -> KnownTrigger:
    """Fire at the times a cron expression names; see `matins.domain.triggers.cron` for what it takes.

    Args:
        expression: Five fields (minute, hour, day of month, month, day of week), six with seconds first, or ``@daily``
            and its like.
        tz: The zone whose clocks it is read by.
        day_match: Whether a day must match either day field (``or``, as cron has it) or ``and`` both.
    """
    return _kept(lambda: triggers.cron(expression, tz, day_match))


def every(
    *,
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
    anchor: datetime | str | None = None,
) -> KnownTrigger:
    """Fire at a fixed interval, counted in UTC from an anchor (1970-01-01 by default); a day is always 24 hours.

    Args:
        seconds: Added up with the other units.
        minutes: See `seconds`.
        hours: See `seconds`.
        days: See `seconds`.
        weeks: See `seconds`.
        anchor: An instant that fires; all others lie whole intervals from it.
    """
    units: dict[str, Any] = {"seconds": seconds, "minutes": minutes, "hours": hours, "days": days, "weeks": weeks}
    return _kept(lambda: triggers.every(**units, anchor=anchor))


def at(instant: datetime | str) -> KnownTrigger:
    """Fire once.

    Args:
        instant: An aware datetime, or ISO 8601 text with its offset.
    """
    return _kept(lambda: triggers.at(instant))


def _kept(make: Callable[[], KnownTrigger]) -> KnownTrigger:
    try:
        return make()
    except TriggerError as error:
        return FaultyTrigger(error)
