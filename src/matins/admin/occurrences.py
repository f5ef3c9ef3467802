"""The ledger as people see it: a schedule's history, and one occurrence with its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matins.admin import lookup, paging, shaping
from matins.admin.choices import check_choices
from matins.admin.records import OccurrenceRecord
from matins.domain.states import OccurrenceStatus
from matins.store import views
from matins.store.engine import Store, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrencePage:
    """Some of a schedule's occurrences, the latest fire first; `next_cursor` None when these were the last."""

    occurrences: tuple[OccurrenceRecord, ...]
    next_cursor: str | None


def history(
    store: Store, schedule_id: str, *, limit: int = 20, cursor: str | None = None, statuses: Sequence[str] = ()
) -> OccurrencePage:
    """A page of a schedule's occurrences. Pages stay correct while new rows arrive: a cursor names the last row seen.

    Raises:
        NotFoundError: there is no such schedule.
        UsageError: limit, cursor or a status is not one.
    """
    paging.check_limit(limit)
    after = paging.read_fire_cursor(cursor)
    wanted = check_choices("status", statuses, OccurrenceStatus)

    def work(tx: Tx) -> OccurrencePage:
        lookup.schedule_row(tx, schedule_id)
        rows = views.occurrences.page(tx, schedule_id, limit=limit + 1, after=after, statuses=wanted)
        last = rows[limit - 1] if len(rows) > limit else None
        return OccurrencePage(
            occurrences=with_runs(tx, rows[:limit], brief=True),
            next_cursor=None if last is None else paging.fire_cursor(last.fire_at, last.id),
        )

    return store.read(work)


def get_occurrence(store: Store, occurrence_id: int) -> OccurrenceRecord:
    """One occurrence with its runs, whole.

    Raises:
        NotFoundError: there is none of that id.
    """
    return store.read(lambda tx: record(tx, occurrence_id))


def record(tx: Tx, occurrence_id: int) -> OccurrenceRecord:
    """One occurrence, as this transaction sees it."""
    [found] = with_runs(tx, [lookup.occurrence_row(tx, occurrence_id)], brief=False)
    return found


def latest(tx: Tx, schedule_id: str, count: int) -> tuple[OccurrenceRecord, ...]:
    """A schedule's last occurrences."""
    return with_runs(tx, views.occurrences.page(tx, schedule_id, limit=count), brief=True)


def with_runs(tx: Tx, rows: Sequence[Any], *, brief: bool) -> tuple[OccurrenceRecord, ...]:
    """These rows with their runs; `brief` leaves out results and tracebacks."""
    runs: dict[int, list[Any]] = {row.id: [] for row in rows}
    for run in views.runs.of_occurrences(tx, list(runs), brief=brief):
        runs[run.occurrence_id].append(run)
    return tuple(shaping.occurrence(row, runs[row.id]) for row in rows)
