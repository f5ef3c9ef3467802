"""How many fires lie in a stretch of time: by arithmetic where there is one, else one by one, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from matins.domain.triggers.base import Trigger, as_utc
from matins.domain.triggers.every import Every
from matins.domain.triggers.stored import checked_next
from matins.errors import FiresExhausted


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The fires of a stretch of time. When not `complete`, the rest lies after `last`: count on from there."""

    count: int
    first: datetime
    """The first fire; where there is none, the beginning of the stretch."""
    last: datetime
    """The last fire counted; where there is none, the beginning of the stretch."""
    complete: bool


def count_between(trigger: Trigger, after: datetime, until: datetime, limit: int) -> Count:
    """Count the fires later than `after` and not later than `until`, stopping after `limit` unless arithmetic answers.

    Raises:
        ValueError: When `limit` is not positive.
        FiresExhausted: When nothing at all is stored after `after` of a trigger that may have more fires.
    """
    if limit < 1:
        raise ValueError(f"limit {limit} is not positive.")
    after, until = as_utc(after), as_utc(until)
    # Not for a subclass: it may answer differently from the arithmetic.
    if isinstance(trigger, Every) and type(trigger) is Every:
        return _by_arithmetic(trigger, after, until)
    return _one_by_one(trigger, after, until, limit)


def _by_arithmetic(trigger: Every, after: datetime, until: datetime) -> Count:
    count = trigger.count_between(after, until)
    first = trigger.next_after(after) if count else None
    if first is None:
        return Count(count=0, first=after, last=after, complete=True)
    return Count(count=count, first=first, last=trigger.last_until(until), complete=True)


def _one_by_one(trigger: Trigger, after: datetime, until: datetime, limit: int) -> Count:
    first, last, count = after, after, 0
    fire = checked_next(trigger, after)
    while fire is not None and fire <= until and count < limit:
        first, last, count = first if count else fire, fire, count + 1
        try:
            fire = checked_next(trigger, fire)
        except FiresExhausted:
            return Count(count=count, first=first, last=last, complete=False)
    return Count(count=count, first=first, last=last, complete=fire is None or fire > until)
