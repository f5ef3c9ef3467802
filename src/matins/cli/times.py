"""Times as people read them: in the reader's zone with UTC at hand, and how far away they are.

Pure: the present and the zone are arguments. `zone` None means the machine's own zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_ALONE_FROM = 10
"""From so many of a unit on, the smaller unit is left out: nobody looks at the minute of a day next week."""


def instant(at: datetime, zone: tzinfo | None = None) -> str:
    """The full form: ``2026-11-24 02:00 CET (01:00 UTC)``; seconds and the UTC date where they tell something."""
    local = at.astimezone(zone)
    universal = at.astimezone(UTC)
    pattern = "%H:%M:%S" if at.second else "%H:%M"
    shown = f"{local:%Y-%m-%d {pattern}} {zone_name(local)}"
    if local.utcoffset() == timedelta(0):
        return shown
    date = "" if local.date() == universal.date() else f"{universal:%Y-%m-%d} "
    return f"{shown} ({date}{universal:{pattern}} UTC)"


def zone_name(local: datetime) -> str:
    """The name of an aware time's zone: its abbreviation, or its offset where it has none."""
    if local.utcoffset() == timedelta(0) and local.tzname() in (None, "UTC", "+00", "Z"):
        return "UTC"
    name = local.tzname() or ""
    return f"{local:UTC%z}" if not name or name[0] in "+-" else name


def relative(at: datetime, now: datetime) -> str:
    """How far `at` is from `now`: ``in 15m``, ``2h ago``, ``now`` within half a second."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < 0.5:
        return "now"
    # To the nearest second, so that a fire a blink before a full quarter of an hour reads "in 15m".
    span = _two_units(round(abs(seconds)))
    return f"in {span}" if seconds > 0 else f"{span} ago"


def both(at: datetime | None, now: datetime, zone: tzinfo | None = None) -> str:
    """The full form and the distance; empty for a time that is not known."""
    return "" if at is None else f"{instant(at, zone)}, {relative(at, now)}"


def duration(span: timedelta | float | None) -> str:
    """``350ms``, ``4.2s``, ``1m 20s``, ``2h 5m``, ``3d 4h``; empty for one that is not known."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole = round(seconds)
    unit, size = _largest(whole)
    return _joined(whole, unit, size)


def rfc3339(at: datetime) -> str:
    """For programs: UTC with a Z, and the fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _two_units(seconds: int) -> str:
    unit, size = _largest(seconds)
    leading = seconds // size
    if leading >= _ALONE_FROM:
        return f"{leading}{unit}"
    return _joined(seconds, unit, size)


def _largest(seconds: int) -> tuple[str, int]:
    return next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])


def _joined(seconds: int, unit: str, size: int) -> str:
    leading, rest = divmod(seconds, size)
    smaller = next(((name, each) for name, each in _UNITS if each < size), None)
    if smaller is None or rest < smaller[1]:
        return f"{leading}{unit}"
    return f"{leading}{unit} {rest // smaller[1]}{smaller[0]}"
