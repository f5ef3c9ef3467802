"""What a stretch of time would bring: which fires run, wait or are skipped, given how long the jobs take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from matins.admin.records import OccurrenceRecord
from matins.app import Matins
from matins.domain.states import OccurrenceStatus
from matins.domain.triggers import as_utc
from matins.errors import NotFoundError
from matins.testing.daemon import ManualDaemon
from matins.testing.definitions import declared
from matins.testing.executor import Outcome
from matins.testing.recording import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFire:
    """What became of a fire, or of `count` fires of one fate, of which `fire_at` is the last."""

    schedule_id: str
    fire_at: datetime
    status: OccurrenceStatus
    reason: str | None
    """Why it was skipped, or ended as it did."""
    count: int
    started_at: datetime | None
    """None for one that was skipped, or still waits at the end."""
    finished_at: datetime | None

    @property
    def skipped(self) -> bool:
        """Whether it does not run."""
        return self.status is OccurrenceStatus.SKIPPED

    @property
    def waited(self) -> timedelta | None:
        """How long it waited for its start; None for one that has not started."""
        return None if self.started_at is None else self.started_at - self.fire_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The fires of all schedules, in order."""

    fires: tuple[SimulatedFire, ...]

    def __iter__(self) -> Iterator[SimulatedFire]:
        return iter(self.fires)

    def of(self, schedule_id: str) -> tuple[SimulatedFire, ...]:
        """The fires of one schedule."""
        return tuple(one for one in self.fires if one.schedule_id == schedule_id)

    @property
    def skipped(self) -> tuple[SimulatedFire, ...]:
        """The fires that would not run."""
        return tuple(one for one in self.fires if one.skipped)

    @property
    def delayed(self) -> tuple[SimulatedFire, ...]:
        """The fires that would run, but not at their time, or still wait at the end."""
        return tuple(one for one in self.fires if not one.skipped and one.waited != timedelta(0))


def simulate(
    app: Matins,
    *,
    start: datetime,
    end: datetime,
    durations: Mapping[str, Duration] | None = None,
    environment: str = "production",
    enabled: Literal["all"] | Collection[str] = "all",
    concurrency: int = 4,
) -> Simulation:
    """What the fires from `start` on and before `end` would come to. No job is called; each run succeeds.

    It begins with a daemon that has nothing to do: what fires before `start` and would still be running then is not seen.

    Args:
        durations: how long each job takes, by name; no time at all for those left out.
        environment: as ``APP_ENV`` would say.
        enabled: the schedules that are enabled: ``"all"``, or their ids.
        concurrency: how many runs the one daemon has room for.

    Raises:
        DefinitionError: the application declares something wrongly.
        NotFoundError: `durations` or `enabled` names something it does not declare.
    """
    before, last = as_utc(start) - start.resolution, as_utc(end) - end.resolution
    found = declared(app, since=before, until=before)
    given = dict(durations or {})
    if unknown := sorted(given.keys() - found.jobs.keys()):
        raise NotFoundError(f"There is no job {unknown[0]!r} in this app.")
    pretended = {name: Outcome(takes=given.get(name, 0)) for name in found.jobs}
    with ManualDaemon(
        app, start=before, environment=environment, enabled=enabled, jobs=pretended, concurrency=concurrency
    ) as daemon:
        daemon.advance(last)
        rows = [(str(one.id), row) for one in found.schedules for row in daemon.ledger(one.id)]
    fires = [_fire(schedule_id, row) for schedule_id, row in rows]
    return Simulation(fires=tuple(sorted(fires, key=lambda one: (one.fire_at, one.schedule_id))))


def _fire(schedule_id: str, row: OccurrenceRecord) -> SimulatedFire:
    return SimulatedFire(
        schedule_id=schedule_id,
        fire_at=row.fire_at,
        status=OccurrenceStatus(row.status),
        reason=row.reason,
        count=row.count,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
