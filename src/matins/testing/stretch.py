"""When a schedule or a trigger fires."""

from __future__ import annotations

from datetime import datetime

from matins.app import Definitions, Matins
from matins.domain.schedule import ScheduleDefinition
from matins.domain.triggers import Trigger, as_utc, checked_next, from_data
from matins.errors import NotFoundError, UsageError
from matins.testing.definitions import declared


def fires(
    app_or_trigger: Matins | Trigger, schedule_id: str | None = None, *, start: datetime, end: datetime
) -> list[datetime]:
    """The fire times from `start` on and before `end`, in UTC; a schedule's own include its jitter.

    Args:
        app_or_trigger: an application, or a trigger by itself.
        schedule_id: which of the application's schedules.

    Raises:
        DefinitionError: the application declares something wrongly.
        NotFoundError: it declares no such schedule.
        UsageError: an application was given without a schedule, or a trigger with one.
    """
    start, end = as_utc(start), as_utc(end)
    if not isinstance(app_or_trigger, Matins):
        if schedule_id is not None:
            raise UsageError("A trigger by itself has no schedules.", remedy="Leave out the schedule's id.")
        return _stretch(app_or_trigger, start, end)
    if schedule_id is None:
        raise UsageError("Whose fires?", remedy="Name one of the app's schedules.")
    offset = _one(declared(app_or_trigger, since=start, until=start), schedule_id).jitter_offset
    known = declared(app_or_trigger, since=start - offset - start.resolution, until=end)
    trigger = from_data(_one(known, schedule_id).trigger)
    return [fire + offset for fire in _stretch(trigger, start - offset, end - offset)]


def _one(found: Definitions, schedule_id: str) -> ScheduleDefinition:
    for one in found.schedules:
        if one.id == schedule_id:
            return one
    names = ", ".join(one.id for one in found.schedules) or "none"
    raise NotFoundError(f"There is no schedule {schedule_id!r} in this app.", remedy=f"It declares: {names}.")


def _stretch(trigger: Trigger, start: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    fire = checked_next(trigger, start - start.resolution)
    while fire is not None and fire < end:
        found.append(fire)
        fire = checked_next(trigger, fire)
    return found
