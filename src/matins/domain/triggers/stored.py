"""Users' own triggers as data: their code answers once, bounded; the daemon then works from the stored answers."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matins.domain.triggers.base import Trigger, as_utc
from matins.errors import FiresExhausted, TriggerError

STORED_FIRES = 100
LONGEST_DESCRIPTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrigger:
    """The fires of a user's own trigger, as far as they were asked for."""

    type: str
    description: str
    fires: tuple[datetime, ...]
    """In order, each later than the one before."""
    complete: bool
    """Whether there are no others after these."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first stored fire strictly later than `instant`; None when it is known that none follows.

        Raises:
            FiresExhausted: When `instant` lies past what is stored and more may follow.
        """
        place = bisect_right(self.fires, as_utc(instant))
        if place < len(self.fires):
            return self.fires[place]
        if self.complete:
            return None
        raise FiresExhausted(
            f"The stored fires of {self.type} end at {self.fires[-1]:%Y-%m-%d %H:%M:%S} UTC."
            if self.fires
            else f"No fires of {self.type} are stored.",
            remedy="Loading the application again computes the next ones.",
        )

    def describe(self) -> str:
        """When it fires, in the words its author gave it."""
        return self.description

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "kind": "custom",
            "type": self.type,
            "description": self.description,
            "fires": [fire.isoformat() for fire in self.fires],
            "complete": self.complete,
        }


def store_fires(trigger: Trigger, since: datetime, count: int = STORED_FIRES) -> StoredTrigger:
    """Ask a user's own trigger for its next fires after `since` and keep them. Runs the user's code.

    Raises:
        TriggerError: When an answer is not an aware datetime later than what was asked.
    """
    fires: list[datetime] = []
    base: datetime | None = as_utc(since)
    while base is not None and len(fires) < count:
        base = checked_next(trigger, base)
        if base is not None:
            fires.append(base)
    return StoredTrigger(
        type=type_name(trigger), description=_description(trigger), fires=tuple(fires), complete=base is None
    )


def checked_next(trigger: Trigger, base: datetime) -> datetime | None:
    """The trigger's answer, in UTC, if it keeps to what a trigger promises.

    Raises:
        TriggerError: When it is not a datetime, naive, or not later than `base`.
    """
    answer: object = trigger.next_after(base)
    if answer is None:
        return None
    if not isinstance(answer, datetime):
        raise TriggerError(f"{type_name(trigger)} answered {answer!r:.80}, which is not a datetime.")
    if answer.utcoffset() is None:
        raise TriggerError(f"{type_name(trigger)} answered {answer.isoformat()}, which has no time zone.")
    fire = as_utc(answer)
    if fire <= base:
        raise TriggerError(
            f"{type_name(trigger)} answered {fire.isoformat()}, which is not later than {base.isoformat()}."
        )
    return fire


def type_name(trigger: object) -> str:
    """Where its class stands: ``module:Class``."""
    kind = type(trigger)
    return f"{kind.__module__}:{kind.__qualname__}"


def _description(trigger: Trigger) -> str:
    describe = getattr(trigger, "describe", None)
    text = describe() if callable(describe) else type_name(trigger)
    if not isinstance(text, str):
        raise TriggerError(f"{type_name(trigger)}.describe() answered {text!r:.80}, which is not text.")
    return text[:LONGEST_DESCRIPTION]
