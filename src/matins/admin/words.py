"""Instants and spans inside sentences: UTC, and as short as is exact enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from matins.domain.durations import format_duration

_SECOND = timedelta(seconds=1)


def when(instant: datetime) -> str:
    """``2026-03-01 02:00:00 UTC``; with milliseconds where there are some."""
    text = f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return f"{text}.{instant.microsecond // 1000:03d} UTC" if instant.microsecond >= 1000 else f"{text} UTC"


def span(duration: timedelta) -> str:
    """``1h30m``, ``12s``, ``40ms``: whole seconds from a second on."""
    if duration < _SECOND:
        return f"{max(0, duration // timedelta(milliseconds=1))}ms"
    return format_duration(timedelta(seconds=round(duration.total_seconds())))


def by(actor: str | None, reason: str | None = None) -> str:
    """`` by ann ("why")``, as far as it is known."""
    return (f" by {actor}" if actor else "") + (f' ("{reason}")' if reason else "")
