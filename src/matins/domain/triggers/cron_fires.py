"""What becomes of a cron expression's wall-clock times where clocks change, by the rules of Debian's cron.

- An expression names *fixed times* when none of its second, minute and hour begins with a star. A fixed time that the
  clock skips runs right after the gap, in its first minute and at its own second; several of one gap are one fire
  then. A fixed time that the clock shows twice runs the first time only.
- All others are a *rhythm* and follow real time: what is skipped is not run, what is repeated is run again.
- A clock set forward by three hours or more (a zone that crosses the date line) is a correction, not daylight saving:
  the times it skips are not run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from matins.domain.triggers.wall_calendar import YEARS_AHEAD, WallCalendar
from matins.domain.triggers.zones import SECOND, ClockChange, change_at, instant_of, wall_of

CORRECTION = timedelta(hours=3)
MINUTE = timedelta(minutes=1)


def next_fixed_time(calendar: WallCalendar, zone: ZoneInfo, base: datetime) -> datetime | None:
    """The first fire after `base` of an expression that names fixed times."""
    wall = _start_of_search(zone, base)
    last_year = wall.year + YEARS_AHEAD
    while (found := calendar.next_wall(wall)) is not None and found.year <= last_year:
        wall = found
        change = change_at(wall, zone)
        if change is not None and change.skips:
            fire = _after_gap(calendar, change, wall, zone, base)
            if fire is not None:
                return fire
            wall = change.wall_after - SECOND
            continue
        fire = instant_of(wall, zone)
        if fire > base:
            return fire
        if change is not None:  # `base` lies in the second pass, in which fixed times do not run
            wall = change.wall_before - SECOND
    return None


def next_of_rhythm(calendar: WallCalendar, zone: ZoneInfo, base: datetime) -> datetime | None:
    """The first fire after `base` of an expression that follows real time."""
    wall = wall_of(base, zone)
    repeats = change_at(wall, zone) if wall.fold == 0 else None
    if repeats is not None and not repeats.skips:
        return _next_before_or_in_second_pass(calendar, zone, base, repeats)
    return _next_real(calendar, zone, base, wall)


def _next_before_or_in_second_pass(
    calendar: WallCalendar, zone: ZoneInfo, base: datetime, change: ClockChange
) -> datetime | None:
    """From within the first pass of a repeated time: the rest of this pass, then the second pass, then what follows."""
    found = calendar.next_wall(wall_of(base, zone))
    if found is not None and found < change.wall_before:
        return instant_of(found, zone)
    return _next_real(calendar, zone, change.at - SECOND, change.wall_after - SECOND)


def _next_real(calendar: WallCalendar, zone: ZoneInfo, base: datetime, wall: datetime) -> datetime | None:
    """The first time after `wall` that is an instant after `base`; of a repeated one the first pass that is."""
    last_year = wall.year + YEARS_AHEAD
    while (found := calendar.next_wall(wall)) is not None and found.year <= last_year:
        wall = found
        fire = instant_of(wall, zone)
        change = change_at(wall, zone)
        if change is None:
            return fire
        if change.skips:
            wall = change.wall_after - SECOND
        else:
            return fire if fire > base else instant_of(wall.replace(fold=1), zone)
    return None


def _start_of_search(zone: ZoneInfo, base: datetime) -> datetime:
    """Where to begin so that no shifted time is passed over: before the gap, in the first minute after one."""
    wall, earlier = wall_of(base, zone), wall_of(base - MINUTE, zone)
    return earlier if wall - earlier > MINUTE else wall


def _after_gap(
    calendar: WallCalendar, change: ClockChange, wall: datetime, zone: ZoneInfo, base: datetime
) -> datetime | None:
    """The first fire after `base` of a skipped minute, moved by whole minutes to the first that the clock showed."""
    if change.shift >= CORRECTION:
        return None
    for second in calendar.seconds:
        skipped = wall.replace(second=second)
        minutes = -((skipped - change.wall_after) // MINUTE)
        fire = instant_of(skipped + minutes * MINUTE, zone)
        if fire > base:
            return fire
    return None
