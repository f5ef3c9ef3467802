"""A stored definition as objects and as words. What cannot be read is answered as such, never raised at a reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

from matins.domain.durations import format_duration
from matins.domain.schedule import ScheduleDefinition
from matins.domain.triggers import KnownTrigger, count_between, from_data
from matins.errors import FiresExhausted, MatinsError

DESCRIPTIONS_KEPT = 20_000
INSTANT = timedelta(microseconds=1)
DAWN, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""No fire is looked for beyond these."""
COUNTED = 5000
FARTHEST = timedelta(days=366 * 40)
"""How far back the last fire is looked for: further than any cron expression pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A schedule's definition with its trigger, ready to compute with."""

    declared: ScheduleDefinition
    trigger: KnownTrigger

    @property
    def offset(self) -> timedelta:
        """How much later than planned it fires."""
        return self.declared.jitter_offset

    @property
    def known_since(self) -> datetime | None:
        """Before when nothing is known of its fires: those of a user's own trigger are stored from some time on."""
        if self.declared.trigger.get("kind") != "custom":
            return None
        return next(self.fires_after(DAWN), LATEST)

    def has_all(self, first: datetime, last: datetime, count: int) -> bool:
        """Whether the trigger has so many fires from `first` to `last`, both of them fires."""
        if self._next(first - INSTANT) != first or self._next(last - INSTANT) != last:
            return False
        found = count_between(self.trigger, first - INSTANT, last, COUNTED)
        return found.count == count or not found.complete

    def fires_after(self, instant: datetime) -> Iterator[datetime]:
        """Planned instants (without jitter) later than `instant`, in order; ends where no more are known."""
        try:
            fire = self.trigger.next_after(instant)
            while fire is not None:
                yield fire
                fire = self.trigger.next_after(fire)
        except FiresExhausted:
            return

    def runs_after(self, instant: datetime) -> Iterator[datetime]:
        """When it fires after `instant`, jitter included."""
        return (fire + self.offset for fire in self.fires_after(instant - self.offset))

    def next_runs(self, instant: datetime, count: int) -> tuple[datetime, ...]:
        """Its next fires after `instant`, jitter included."""
        return tuple(islice(self.runs_after(instant), count))

    def last_before(self, instant: datetime) -> datetime | None:
        """The last planned instant before `instant`, as far as is known; triggers only look forward, so it is searched."""
        found = self._some_before(instant)
        if found is None:
            return None
        low, high = found, instant
        # A fire lies at `low`, and none from `high` to `instant`.
        while (following := self._next(low)) is not None and following < instant:
            middle = low + (high - low) / 2
            later = self._next(middle)
            if later is not None and later < instant:
                low = later
            else:
                low, high = following, middle
        return low

    def _some_before(self, instant: datetime) -> datetime | None:
        reach = timedelta(hours=1)
        while reach < FARTHEST:
            fire = self._next(instant - reach)
            if fire is not None and fire < instant:
                return fire
            reach *= 4
        return None

    def _next(self, instant: datetime) -> datetime | None:
        return next(self.fires_after(instant), None)


def read(data: Mapping[str, Any] | None) -> Definition | str:
    """The definition, or what is wrong with what is stored, in one line."""
    if not isinstance(data, dict):
        return "its stored definition is not readable JSON"
    try:
        declared = ScheduleDefinition.from_data(data)
        return Definition(declared=declared, trigger=from_data(declared.trigger))
    except (MatinsError, KeyError, TypeError, ValueError) as error:
        return f"its stored definition cannot be used: {type(error).__name__}: {error}"


def trigger_text(trigger: Mapping[str, Any]) -> str:
    """The trigger as a person would write it."""
    match trigger:
        case {"kind": "cron", "expression": str(expression)}:
            return expression
        case {"kind": "every", "seconds": int() | float() as seconds}:
            return f"every {format_duration(timedelta(seconds=seconds))}"
        case {"kind": "at", "instant": str(instant)}:
            return f"at {instant}"
        case {"kind": "custom", "type": str(type_)}:
            return type_
    return "unreadable"


def timezone(trigger: Mapping[str, Any]) -> str:
    """The zone whose clocks the trigger is read by."""
    zone = trigger.get("tz", "UTC")
    return zone if isinstance(zone, str) else "UTC"


def describe(trigger: Mapping[str, Any]) -> str:
    """When the trigger fires, in words. Cron expressions are put into words once, as that costs most."""
    match trigger:
        case {"kind": "cron", "expression": str(expression), "tz": str(tz), "day_match": str(day_match)}:
            return _cron_description(expression, tz, day_match)
    return _description(trigger)


@lru_cache(maxsize=DESCRIPTIONS_KEPT)
def _cron_description(expression: str, tz: str, day_match: str) -> str:
    return _description({"kind": "cron", "expression": expression, "tz": tz, "day_match": day_match})


def _description(trigger: Mapping[str, Any]) -> str:
    try:
        return from_data(trigger).describe()
    except MatinsError as error:
        return error.message
