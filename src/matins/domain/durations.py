"""Durations and memory sizes as people write them. Whether a value makes sense where it stands is for its reader."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_SHOWN_UNITS = ("d", "h", "m", "s", "ms")
_NUMBER = r"(\d{1,12}(?:\.\d{1,9})?)"
_DURATION = re.compile(r"\s*".join(rf"(?:{_NUMBER}\s*{unit}(?![a-z]))?" for unit in _UNITS), re.ASCII)
_SECONDS = re.compile(_NUMBER, re.ASCII)
_BYTES = re.compile(rf"{_NUMBER}\s*([kmgt]?)i?b?", re.ASCII | re.IGNORECASE)
_BYTE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(value: timedelta | int | float | str) -> timedelta:
    """The duration a person meant: a timedelta, a number of seconds, or text such as ``10m``, ``1h30m``, ``500ms``.

    Raises:
        ValueError: When it cannot be read or is negative; one line that names the value.
    """
    if isinstance(value, timedelta):
        return _not_negative(value, value)
    if isinstance(value, bool):
        raise ValueError(_unreadable(value))
    if isinstance(value, (int, float)):
        return _from_seconds(value)
    if isinstance(value, str):
        return _from_text(value)
    raise ValueError(_unreadable(value))


def format_duration(value: timedelta) -> str:
    """The shortest text in days and smaller units, largest first, that `parse_duration` reads back: ``1h30m``."""
    if value < timedelta(0):
        return f"-{format_duration(-value)}"
    parts = []
    rest = value
    for unit in _SHOWN_UNITS[:-1]:
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        parts.append(f"{_decimal(rest.microseconds)}ms")
    return "".join(parts) or "0s"


def parse_bytes(value: int | str) -> int:
    """A memory size in bytes, from a number or text such as ``512MB`` or ``2G``; units are powers of 1024.

    Raises:
        ValueError: When it cannot be read or is not positive; one line that names the value.
    """
    size = _bytes_of(value)
    if size is None or size <= 0:
        raise ValueError(f"{value!r} is not a memory size: write a number of bytes, or text such as '512MB'.")
    return size


def _bytes_of(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    match = _BYTES.fullmatch(value.strip())
    if match is None:
        return None
    number, unit = match.groups()
    return int(Decimal(number) * 1024 ** _BYTE_POWERS[unit.lower()])


def _from_seconds(value: float) -> timedelta:
    if not math.isfinite(value):
        raise ValueError(_unreadable(value))
    try:
        return _not_negative(timedelta(seconds=value), value)
    except OverflowError:
        raise ValueError(f"{value!r} is too long for a duration.") from None


def _from_text(value: str) -> timedelta:
    text = value.strip().lower()
    if _SECONDS.fullmatch(text):
        return _sum([(text, "s")], value)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(_unreadable(value))
    return _sum([(number, unit) for number, unit in zip(match.groups(), _UNITS, strict=True) if number], value)


def _sum(parts: list[tuple[str, str]], value: str) -> timedelta:
    """Added up in whole microseconds, so that ``0.1s`` is exact."""
    microsecond = timedelta(microseconds=1)
    total = sum(int(Decimal(number) * (_UNITS[unit] // microsecond)) for number, unit in parts)
    try:
        return timedelta(microseconds=total)
    except OverflowError:
        raise ValueError(f"{value!r} is too long for a duration.") from None


def _not_negative(duration: timedelta, value: object) -> timedelta:
    if duration < timedelta(0):
        raise ValueError(f"{value!r} is negative; a duration is not.")
    return duration


def _decimal(microseconds: int) -> str:
    """Microseconds as milliseconds without trailing zeros."""
    return f"{Decimal(microseconds).scaleb(-3).normalize():f}"


def _unreadable(value: object) -> str:
    return f"{value!r} is not a duration: write a number of seconds, or text such as '10m' or '1h30m'."
