"""Runs as people see them: over all schedules, one of them, and what it printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from matins.admin import lookup, paging, shaping
from matins.admin.choices import check_choices
from matins.admin.records import RunRecord
from matins.domain.states import RunId, RunStatus
from matins.store import logs, views
from matins.store.engine import Store, Tx
from matins.store.logs import StoredLine
from matins.store.views.runs import RunFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Some runs, the newest first; `next_cursor` None when these were the last."""

    runs: tuple[RunRecord, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Lines of a run in order. `ended` says that no more will come once these are read."""

    run: RunRecord
    lines: tuple[StoredLine, ...]
    last_number: int
    """Pass it as `after` to go on from here."""
    ended: bool


def list_runs(
    store: Store,
    *,
    schedule_id: str | None = None,
    job: str | None = None,
    statuses: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> RunPage:
    """A page of runs. Results and tracebacks are left out.

    Args:
        since: not before; a run counts from when it came to be: planned, requested, or owed after a failed attempt.
        until: before this.

    Raises:
        NotFoundError: there is no such schedule.
        UsageError: limit, cursor or a status is not one.
    """
    paging.check_limit(limit)
    after = paging.read_id_cursor(cursor)
    wanted = RunFilter(
        schedule_id=schedule_id,
        job=job,
        statuses=check_choices("status", statuses, RunStatus),
        since=since,
        until=until,
    )

    def work(tx: Tx) -> RunPage:
        if schedule_id is not None:
            lookup.schedule_row(tx, schedule_id)
        rows = views.runs.page(tx, wanted, limit=limit + 1, after=after)
        return RunPage(
            runs=tuple(shaping.run(row) for row in rows[:limit]),
            next_cursor=paging.id_cursor(rows[limit - 1].id) if len(rows) > limit else None,
        )

    return store.read(work)


def get_run(store: Store, run_id: int) -> RunRecord:
    """One run, whole.

    Raises:
        NotFoundError: there is none of that id.
    """
    return store.read(lambda tx: shaping.run(lookup.run_row(tx, run_id)))


def read_logs(store: Store, run_id: int, *, after: int = 0, limit: int = 1000) -> LogPage:
    """Lines of a run numbered above `after`.

    Raises:
        NotFoundError: there is no such run.
    """

    def work(tx: Tx) -> LogPage:
        # The run is read first: had it ended by then, every line of it is there already.
        run = shaping.run(lookup.run_row(tx, run_id))
        lines = logs.read(tx, RunId(run_id), after=after, limit=limit)
        return LogPage(
            run=run,
            lines=tuple(lines),
            last_number=lines[-1].number if lines else after,
            ended=RunStatus(run.status).ended and len(lines) < limit,
        )

    return store.read(work)
