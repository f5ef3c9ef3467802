"""Walks the wall-clock times that a cron expression names, by cronsim; of zones it knows nothing.

cronsim is given naive times only, for which its arithmetic is plain; what a zone's clock changes do to them is decided
by `cron_fires`, since cronsim itself can answer with a time not after its base when started inside a repeated hour.
"""

from __future__ import annotations

from calendar import monthrange
from copy import copy
from datetime import datetime, time, timedelta

from cronsim import CronSim, CronSimError

from matins.domain.triggers.cron_fields import CronFields

YEARS_AHEAD = 50
"""How far cronsim looks. It is enough: a 29 February on a given weekday can be 40 years off; nothing is rarer."""

_START = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall-clock time, in no zone
_LAST_CERTAIN_YEAR = 9999 - YEARS_AHEAD


class WallCalendar:
    """The wall-clock times of one expression."""

    __slots__ = ("_simulator", "fixed_time")

    def __init__(self, fields: CronFields, *, both_days: bool) -> None:
        self.fixed_time = fields.fixed_time
        self._simulator = _simulator(fields, both_days=both_days)

    def next_wall(self, after: datetime) -> datetime | None:
        """The first time strictly later than this one, both naive; None when the next 50 years have none."""
        template = self._simulator
        if template is None:
            return None
        simulator = copy(template)
        simulator.dt = after.replace(microsecond=0, fold=0)
        try:
            found: datetime | None = next(simulator, None)
        except OverflowError:
            return None
        if found is None and after.year < _LAST_CERTAIN_YEAR:
            self._simulator = None  # It never fires: searching again would cost the same and find the same.
        return found

    @property
    def never(self) -> bool:
        """Whether no date has what the expression asks for."""
        return self.next_wall(_START) is None

    @property
    def seconds(self) -> list[int]:
        """The seconds of a minute at which it fires, in order."""
        return sorted(self._simulator.seconds) if self._simulator else []

    def explain(self) -> str | None:
        """cronsim's words for it; None where it has none."""
        try:
            return str(self._simulator.explain()) if self._simulator else None
        except (ValueError, LookupError, TypeError, AttributeError):
            return None


class _Strider(CronSim):
    """cronsim, going straight to the next hour and day of month where it would try one after the other."""

    def advance_hour(self) -> bool:
        if self.dt.hour in self.hours:
            return False
        later = [hour for hour in self.hours if hour > self.dt.hour]
        if later:
            self.dt = self.dt.replace(hour=min(later), minute=0, second=0)
        else:
            self.dt = datetime.combine(self.dt.date() + timedelta(days=1), time())
        return True

    def advance_day(self) -> bool:
        if self.parts[5] != "*" or min(self.days) < 1:
            return bool(super().advance_day())
        if self.dt.day in self.days:
            return False
        later = [day for day in self.days if self.dt.day < day <= monthrange(self.dt.year, self.dt.month)[1]]
        if later:
            self.dt = datetime.combine(self.dt.replace(day=min(later)), time())
        else:
            self.dt = datetime.combine(self.dt.replace(day=1) + timedelta(days=32), time()).replace(day=1)
        return True


def _simulator(fields: CronFields, *, both_days: bool) -> CronSim | None:
    """A simulator to copy from; None where cronsim sees at once that no month has such a day."""
    try:
        simulator = _Strider(str(fields), _START)
    except CronSimError:
        return None
    if both_days:
        simulator.day_and = True
    return simulator
