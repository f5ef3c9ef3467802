"""What a trigger is, and how instants enter one: aware, and in UTC from there on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from matins.errors import TriggerError


@runtime_checkable
class Trigger(Protocol):
    """A pure function from an instant to the next fire. A user's own trigger needs no more than this."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly later than `instant`, aware UTC; None when there is none."""
        ...


class KnownTrigger(Trigger, Protocol):
    """A trigger that is also data, so that a daemon has it without the user's code."""

    def describe(self) -> str:
        """When it fires, in words."""
        ...

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data; `matins.domain.triggers.from_data` reads it back."""
        ...


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        TriggerError: For a naive datetime, which names no instant.
    """
    if instant.tzinfo is UTC:
        return instant
    if instant.utcoffset() is None:
        raise TriggerError(
            f"{instant.isoformat()} has no time zone, so it names no instant.",
            remedy="Add tzinfo=UTC or its zone.",
        )
    return instant.astimezone(UTC)


def read_instant(value: object, what: str) -> datetime:
    """An instant from an aware datetime or ISO text, in UTC; `what` names it in the error.

    Raises:
        TriggerError: When it cannot be read or has no time zone.
    """
    if isinstance(value, str):
        value = _from_iso(value, what)
    if not isinstance(value, datetime):
        raise TriggerError(f"{what} {value!r} is neither an aware datetime nor ISO text.")
    try:
        return as_utc(value)
    except OverflowError:
        raise TriggerError(f"{what} {value.isoformat()} lies outside the years 1 to 9999.") from None


def _from_iso(text: str, what: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise TriggerError(
            f"{what} {text!r} is not an ISO 8601 instant.",
            remedy="Write it like '2030-01-31T09:00:00+00:00'.",
        ) from None
