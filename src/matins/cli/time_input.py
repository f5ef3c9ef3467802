"""Reads times as people type them: ISO 8601, "now", "-2h", "tomorrow 02:00". Pure: the present is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from matins.domain.durations import parse_duration
from matins.errors import UsageError

_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_REMEDY = (
    "Write 2026-11-24T02:00Z, 2026-11-24 02:00 (your zone), '2026-11-24 02:00 Europe/Berlin', "
    "02:00, tomorrow 02:00, now, -2h or +30m."
)
_ZONED = re.compile(r"(?P<rest>.+?)\s+(?P<zone>UTC|GMT|[A-Za-z_]+/[A-Za-z0-9_+/-]+)")


def parse_time(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The instant that `text` names, in UTC.

    Args:
        text: what was typed.
        now: the present, from which relative times count.
        zone: the reader's zone, for times that name none; None is the machine's.

    Raises:
        UsageError: the text is no time.
    """
    words = " ".join(text.split())
    try:
        for read in (_relative, _zoned, _of_day, _iso):
            found = read(words, now, zone)
            if found is not None:
                return found.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{text!r} is outside the years 1 to 9999.", remedy=_REMEDY) from None
    raise UsageError(f"{text!r} is not a time.", remedy=_REMEDY)


def named_zone(name: str) -> tzinfo:
    """The zone of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return ZoneInfo(name)
    # ValueError and OSError are what a name that is a path or a folder gives.
    except (KeyError, ValueError, OSError):
        remedy = "Use a name such as UTC or Europe/Berlin."
        raise UsageError(f"There is no time zone {name!r}.", remedy=remedy) from None


def _relative(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    del zone
    if words.lower() == "now":
        return now
    match = re.fullmatch(r"(?P<sign>[+-]|in )\s*(?P<span>\S.*)|(?P<past>\S.*) ago", words, re.IGNORECASE)
    if match is None:
        return None
    span = _span(match["span"] or match["past"])
    if span is None:
        return None
    return now - span if match["past"] or match["sign"] == "-" else now + span


def _span(text: str) -> timedelta | None:
    try:
        return parse_duration(text.replace(" ", ""))
    except ValueError:
        return None


def _zoned(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    del zone
    match = _ZONED.fullmatch(words)
    if match is None:
        return None
    own = named_zone(match["zone"])
    return _of_day(match["rest"], now, own) or _iso(match["rest"], now, own)


def _of_day(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    day, _, rest = words.lower().partition(" ")
    if day not in _DAYS:
        day, rest = "today", words
        if ":" not in words:
            return None
    try:
        hour = time.fromisoformat(rest) if rest else time()
    except ValueError:
        return None
    if hour.tzinfo is not None:
        return None
    date = now.astimezone(zone).date() + timedelta(days=_DAYS[day])
    return _in_zone(datetime.combine(date, hour), zone)


def _iso(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    del now
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        return None
    return found if found.tzinfo else _in_zone(found, zone)


def _in_zone(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
