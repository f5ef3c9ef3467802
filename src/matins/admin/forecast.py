"""Fires to come: of all schedules together over a stretch of time, by the same arithmetic that plans them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from matins.admin import definition, paging
from matins.store import installation, views
from matins.store.engine import Store, Tx

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingFire:
    """One fire that is to come, if nothing is changed until then."""

    fire_at: datetime
    planned_at: datetime
    schedule_id: str
    name: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """Fires in order. `complete` False means that there are more in the stretch than were asked for."""

    since: datetime
    until: datetime
    fires: tuple[UpcomingFire, ...]
    complete: bool
    paused: bool


def upcoming(
    store: Store,
    *,
    within: timedelta = DAY,
    since: datetime | None = None,
    limit: int = 200,
    environment: str | None = None,
) -> Upcoming:
    """The fires of all enabled schedules later than `since` (now, if left out) for as long as `within`.

    Args:
        environment: leaves out what only other environments plan.

    Raises:
        UsageError: the limit is not one.
    """
    paging.check_limit(limit)

    def work(tx: Tx) -> Upcoming:
        start = tx.now if since is None else max(since, tx.now)
        until = start + within
        found = list(islice(heapq.merge(*_streams(tx, start, until, limit, environment), key=_order), limit + 1))
        return Upcoming(
            since=start,
            until=until,
            fires=tuple(found[:limit]),
            complete=len(found) <= limit,
            paused=installation.read_pause(tx) is not None,
        )

    return store.read(work)


def _streams(
    tx: Tx, start: datetime, until: datetime, limit: int, environment: str | None
) -> Iterator[Iterator[UpcomingFire]]:
    """Each schedule's fires in the stretch; read one by one, so that a fire every second costs no more than is shown."""
    for row in _rows(tx, start, until, limit, environment):
        meant = definition.read(row.definition)
        if isinstance(meant, str) or not (environment is None or meant.declared.applies_in(environment)):
            continue
        yield takewhile(lambda one: one.fire_at <= until, _fires(row, meant, start))


def _rows(tx: Tx, start: datetime, until: datetime, limit: int, environment: str | None) -> list[Any]:
    """The schedules that may have one of the first `limit` fires.

    Where the stretch begins now, the earliest next runs hold the earliest fires. That says nothing of schedules whose
    next run is over (just enabled, or nobody plans them), nor of a later stretch or of one environment: then all count.
    """
    if start != tx.now or environment is not None:
        return views.schedules.firing(tx, until=until)
    over = views.schedules.firing(tx, until=start)
    return over + views.schedules.firing(tx, after=start, until=until, limit=limit + 1)


def _fires(row: Any, meant: definition.Definition, start: datetime) -> Iterator[UpcomingFire]:
    for fire in meant.fires_after(start - meant.offset):
        yield UpcomingFire(
            fire_at=fire + meant.offset,
            planned_at=fire,
            schedule_id=row.id,
            name=row.name,
            jobs=meant.declared.jobs,
        )


def _order(one: UpcomingFire) -> tuple[datetime, str]:
    return one.fire_at, one.schedule_id
