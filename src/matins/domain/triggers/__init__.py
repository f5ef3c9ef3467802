"""Triggers: pure functions from an instant to the next fire. Zones live here; everything outside is in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matins.domain.triggers.at import At, at
from matins.domain.triggers.base import KnownTrigger, Trigger, as_utc, read_instant
from matins.domain.triggers.counting import Count, count_between
from matins.domain.triggers.cron import Cron, DayMatch, cron
from matins.domain.triggers.every import Every, every
from matins.domain.triggers.stored import STORED_FIRES, StoredTrigger, checked_next, store_fires, type_name
from matins.errors import TriggerError

__all__ = [
    "STORED_FIRES",
    "At",
    "Count",
    "Cron",
    "DayMatch",
    "Every",
    "KnownTrigger",
    "StoredTrigger",
    "Trigger",
    "as_utc",
    "at",
    "checked_next",
    "count_between",
    "cron",
    "every",
    "from_data",
    "store_fires",
    "type_name",
]


def from_data(data: Mapping[str, Any]) -> KnownTrigger:
    """The trigger that `to_data` wrote. Cron expressions are kept read, so that a row costs little to plan again.

    Raises:
        TriggerError: When the data is not a trigger's.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise TriggerError(f"stored trigger {data!r:.200} is of no known kind.")
    try:
        return read(data)
    except TriggerError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise TriggerError(f"stored trigger {data!r:.200} cannot be read: {error}.") from None


def _every_from(data: Mapping[str, Any]) -> Every:
    return every(seconds=data["seconds"], anchor=data["anchor"])


def _stored_from(data: Mapping[str, Any]) -> StoredTrigger:
    return StoredTrigger(
        type=data["type"],
        description=data["description"],
        fires=tuple(read_instant(fire, "stored fire") for fire in data["fires"]),
        complete=bool(data["complete"]),
    )


_READERS: dict[str, Callable[[Mapping[str, Any]], KnownTrigger]] = {
    "cron": lambda data: cron(data["expression"], data["tz"], data["day_match"]),
    "every": _every_from,
    "at": lambda data: at(data["instant"]),
    "custom": _stored_from,
}
