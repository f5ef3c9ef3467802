"""What an application declares, read in this process instead of in a child."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matins.app import Definitions, Matins
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition, definition_hash
from matins.domain.triggers import STORED_FIRES, Trigger, count_between, store_fires
from matins.errors import NotFoundError, UsageError

MOST_OWN_FIRES = 100_000
"""So many fires of a user's own trigger are asked for at most."""


def declared(app: Matins, *, since: datetime, until: datetime) -> Definitions:
    """What the application declares, with the fires of users' own triggers later than `since`, well past `until`."""

    def store(trigger: Trigger) -> dict[str, Any]:
        wanted = count_between(trigger, since, until, MOST_OWN_FIRES).count + STORED_FIRES
        return store_fires(trigger, since, wanted).to_data()

    return app.definitions(since, store=store)


@dataclass(frozen=True, slots=True)
class InProcess:
    """Definitions read in this process, in the form in which a daemon takes them."""

    definitions: Definitions

    @property
    def app(self) -> str:
        return self.definitions.app

    @property
    def jobs(self) -> Mapping[str, Job]:
        return self.definitions.jobs

    @property
    def pools(self) -> Mapping[str, int]:
        return self.definitions.pools

    @property
    def count(self) -> int:
        return len(self.definitions.schedules)

    @property
    def hash(self) -> str:
        return definition_hash({"trigger": {}, "schedules": [one.hash for one in self.definitions.schedules]})

    def schedules(self) -> Iterator[ScheduleDefinition]:
        return iter(self.definitions.schedules)

    def close(self) -> None:
        """Nothing is held."""


def check(found: Definitions, enabled: str | Collection[str], stand_ins: Iterable[str]) -> None:
    """Refuse what a test names and the application does not declare, and shell jobs that nothing stands in for."""
    known = {str(one.id) for one in found.schedules}
    if isinstance(enabled, str) and enabled != "all":
        raise UsageError(f"enabled={enabled!r} is neither 'all' nor a collection of ids.", remedy="Write a list.")
    unknown = sorted(set() if enabled == "all" else set(enabled) - known)
    unknown += sorted(set(stand_ins) - found.jobs.keys())
    if unknown:
        raise NotFoundError(f"The app declares no {unknown[0]!r}.")
    scheduled = {name for one in found.schedules for name in one.jobs}
    for name in sorted(scheduled - set(stand_ins)):
        if found.jobs[name].command is not None:
            raise UsageError(
                f"Job {name!r} is a shell command, which is not run here.", remedy=f"Pass jobs={{{name!r}: Outcome()}}."
            )
