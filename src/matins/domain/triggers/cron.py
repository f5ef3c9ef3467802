"""Fires at the times a cron expression names, in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from matins.domain.triggers.base import as_utc
from matins.domain.triggers.cron_fields import CronFields, read_fields
from matins.domain.triggers.cron_fires import next_fixed_time, next_of_rhythm
from matins.domain.triggers.wall_calendar import WallCalendar
from matins.domain.triggers.zones import load_zone
from matins.errors import TriggerError

DayMatch = Literal["or", "and"]

CACHED_EXPRESSIONS = 4096
_EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)
"""Room for any zone's offset before the first representable instant."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A cron expression in a zone; make one with `cron`, which checks it."""

    expression: str
    tz: str = "UTC"
    day_match: DayMatch = "or"

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly later than `instant`, in UTC; None when the expression never fires again."""
        base = max(as_utc(instant), _EARLIEST)
        try:
            if self._zone is None:
                wall = self._calendar.next_wall(base.replace(tzinfo=None))
                return wall and wall.replace(tzinfo=UTC)
            search = next_fixed_time if self._calendar.fixed_time else next_of_rhythm
            return search(self._calendar, self._zone, base)
        except OverflowError:
            return None

    def describe(self) -> str:
        """When it fires, in words; the bare expression where no words are certain to be right."""
        if self._calendar.never:
            return "never"
        words = self._calendar.explain() if self._explainable else None
        text = words or self.expression.strip()
        return text if self.tz == "UTC" else f"{text} ({self.tz})"

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {"kind": "cron", "expression": self.expression, "tz": self.tz, "day_match": self.day_match}

    @cached_property
    def _fields(self) -> CronFields:
        return read_fields(self.expression)

    @cached_property
    def _calendar(self) -> WallCalendar:
        return WallCalendar(self._fields, both_days=self.day_match == "and")

    @cached_property
    def _zone(self) -> ZoneInfo | None:
        """None for UTC, which needs no conversion."""
        zone = load_zone(self.tz)
        return None if zone.key == "UTC" else zone

    @property
    def _explainable(self) -> bool:
        """cronsim's words are right while one day field is free, or both hold plain values of which either will do."""
        day, weekday = self._fields.day, self._fields.weekday
        if "*" in (day, weekday):
            return True
        return self.day_match == "or" and not any(sign in day + weekday for sign in "*-/L#")


def cron(expression: str, tz: str = "UTC", day_match: DayMatch = "or") -> Cron:
    """Fire at the times a cron expression names.

    Args:
        expression: Five fields as Debian's cron takes them (minute, hour, day of month, month, day of week), or six
            with seconds first; or ``@hourly``, ``@daily``, ``@midnight``, ``@weekly``, ``@monthly``, ``@yearly``,
            ``@annually``. Also ``?``, ``L``, ``LW``, ``5L``, ``5#3``, names, and ranges that wrap around.
        tz: The zone whose clocks it is read by.
        day_match: When both day fields are given: ``or`` (as cron has it) fires on days that match either, ``and`` on
            days that match both.

    Raises:
        TriggerError: When a value cannot be read; one line that names it.
    """
    if not isinstance(expression, str):
        raise TriggerError(f"cron expression {expression!r} is not text.")
    return _cached(expression, load_zone(tz).key, day_match)


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def _cached(expression: str, tz: str, day_match: DayMatch) -> Cron:
    if day_match not in ("or", "and"):
        raise TriggerError(f"cron: day_match {day_match!r} is not known.", remedy="It is 'or' or 'and'.")
    trigger = Cron(expression=expression, tz=tz, day_match=day_match)
    _ = trigger._calendar  # reads the fields, so that a fault shows now
    return trigger
