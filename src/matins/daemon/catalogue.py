"""Parsed definitions, kept by their hash: planning the same schedule every second must not parse it every second.

Bounded, so that a hundred thousand schedules do not live in the daemon's memory. A trigger of the user's own is never
kept: its stored fires are renewed without its hash changing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import ScheduleId
from matins.domain.triggers import Trigger, from_data
from matins.errors import MatinsError
from matins.store import schedules
from matins.store.engine import Tx
from matins.store.schedules import PlannableSchedule

LIMIT = 2000

Parsed = tuple[ScheduleDefinition, Trigger]


class Catalogue:
    """Definitions as objects; used by one thread."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._kept: OrderedDict[str, Parsed] = OrderedDict()
        self._limit = limit

    def parse(self, tx: Tx, wanted: Sequence[PlannableSchedule]) -> dict[ScheduleId, Parsed | str]:
        """Each schedule's definition and trigger, or what is wrong with them in one line."""
        found: dict[ScheduleId, Parsed | str] = {}
        missing: list[PlannableSchedule] = []
        for one in wanted:
            kept = self._kept.get(one.definition_hash)
            if kept is None:
                missing.append(one)
            else:
                self._kept.move_to_end(one.definition_hash)
                found[one.id] = kept
        if missing:
            snapshots = schedules.definitions(tx, [one.id for one in missing])
            for one in missing:
                found[one.id] = self._parse(one, snapshots.get(one.id))
        return found

    def _parse(self, one: PlannableSchedule, snapshot: dict[str, object] | None) -> Parsed | str:
        if snapshot is None:
            return "its stored definition is not readable JSON"
        try:
            definition = ScheduleDefinition.from_data(snapshot)
            trigger = from_data(definition.trigger)
        except (MatinsError, KeyError, TypeError, ValueError) as error:
            return f"its stored definition cannot be used: {type(error).__name__}: {error}"
        if definition.trigger.get("kind") != "custom":
            self._kept[one.definition_hash] = (definition, trigger)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return definition, trigger
