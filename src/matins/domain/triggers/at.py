"""A single fire at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matins.domain.triggers.base import as_utc, read_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Fires once, at `instant`."""

    instant: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        """The one fire, while it is still to come."""
        return self.instant if self.instant > as_utc(instant) else None

    def describe(self) -> str:
        """When it fires, in words."""
        return f"Once, at {self.instant:%Y-%m-%d %H:%M:%S} UTC"

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {"kind": "at", "instant": self.instant.isoformat()}


def at(instant: datetime | str) -> At:
    """Fire once.

    Args:
        instant: An aware datetime, or ISO 8601 text with its offset such as ``2030-01-31T09:00:00+01:00``.

    Raises:
        TriggerError: When it cannot be read or has no time zone.
    """
    return At(instant=read_instant(instant, "at:"))
