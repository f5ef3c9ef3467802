"""Wall-clock times in a zone: which instants they are, and where a zone skips or repeats them.

A clock set forward leaves wall-clock times that never were; one set back shows some twice. `ClockChange` is one such
event, found by bisection, since the zone database offers no list of them.
"""

from __future__ import annotations

import difflib
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from matins.errors import TriggerError

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """One change of a zone's offset, from `before` to `after`, at the instant `at`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def skips(self) -> bool:
        """Whether the clock was set forward; set back otherwise."""
        return self.after > self.before

    @property
    def shift(self) -> timedelta:
        """How far the clock was set forward; negative when it was set back."""
        return self.after - self.before

    @property
    def wall_before(self) -> datetime:
        """What the clock would have shown, not changed: the first time skipped, or the end of those repeated."""
        return _naive(self.at + self.before)

    @property
    def wall_after(self) -> datetime:
        """What the clock showed instead: the end of the times skipped, or the first of those repeated."""
        return _naive(self.at + self.after)


def load_zone(name: object) -> zoneinfo.ZoneInfo:
    """The zone of this name.

    Raises:
        TriggerError: When there is none, naming the nearest that there is.
    """
    if isinstance(name, zoneinfo.ZoneInfo):
        name = name.key
    if not isinstance(name, str):
        raise TriggerError(f"time zone {name!r} is not a name.", remedy="Write it like tz='Europe/London'.")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise TriggerError(f"time zone {name!r} is not known.", remedy=_near(name)) from None


def wall_of(instant: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """What a clock in the zone shows at an instant: a naive datetime, whose `fold` is 1 in the second of two passes."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instant_of(wall: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The instant at which the zone's clocks show this; of a repeated time the pass its `fold` says."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def change_at(wall: datetime, zone: zoneinfo.ZoneInfo) -> ClockChange | None:
    """The clock change because of which this wall-clock time never was, or was twice; None for an ordinary one."""
    local = wall.replace(tzinfo=zone, fold=0, microsecond=0)
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before == after or before is None or after is None:
        return None
    as_if_utc = local.replace(tzinfo=UTC)
    low, high = sorted((as_if_utc - before, as_if_utc - after))
    return ClockChange(at=_first_with_offset(after, zone, low, high), before=before, after=after)


def _first_with_offset(offset: timedelta, zone: zoneinfo.ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first whole second after `low`, and not after `high`, at which the zone has the offset it has at `high`."""
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def _near(name: str) -> str:
    names = {known.lower(): known for known in zoneinfo.available_timezones()}
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"Did you mean {names[near[0]]!r}?" if near else "Write it like tz='Europe/London'."
