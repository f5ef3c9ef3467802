"""Matins: one daemon, the whole ledger, each job in a process apart. Times are the ledger's own."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import func, select

from bench.matins_daemon import DaemonProcess, wait_for
from bench.measure import (
    LATENESS_SECONDS,
    WARM_UP_SECONDS,
    Figure,
    Work,
    answer,
    lateness,
    sleep_until,
    told,
    unix_time,
)
from matins.store.engine import Store
from matins.store.migrate import migrate
from matins.store.tables import job_run, job_schedule, occurrence

PEER = f"Matins {version('matins')}"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
LEAD_SECONDS = 5.0
SYNC_PER_SCHEDULE = 0.0006


def burst(work: Work, store: Store, folder: Path) -> Figure:
    """Every schedule once, all due at the same instant."""
    due = unix_time() + LEAD_SECONDS + work.schedules * SYNC_PER_SCHEDULE
    environment = {"BENCH_DUE": str(due), "BENCH_SCHEDULES": str(work.schedules), "BENCH_WORK": "burst"}
    with DaemonProcess(work.server, environment, folder / "log"):
        wait_for("the definitions' synchronisation", lambda: _count(store) == work.schedules, 120)
        if unix_time() > due:
            raise TimeoutError("the machine was too slow to get ready before the due instant")
        sleep_until(due + work.schedules / 10_000)
        wait_for("the last run's end", lambda: _finished(store)[0] >= work.schedules, 300, every=0.25)
        finished, last = _finished(store)
    return Figure(
        peer=PEER,
        setting=_setting(store),
        work=work.name,
        schedules=work.schedules,
        finished=finished,
        seconds=last - due,
    )


def each_second(work: Work, store: Store, folder: Path) -> Figure:
    """Every schedule each full second."""
    environment = {"BENCH_SCHEDULES": str(work.schedules), "BENCH_WORK": "lateness"}
    with DaemonProcess(work.server, environment, folder / "log"):
        wait_for("the first run", lambda: _finished(store)[0] > 0, 60)
        begin = int(unix_time()) + WARM_UP_SECONDS + 0.5
        sleep_until(begin + LATENESS_SECONDS + 1)
    query = (
        select(occurrence.c.fire_at, job_run.c.started_at)
        .join_from(job_run, occurrence, job_run.c.occurrence_id == occurrence.c.id)
        .where(
            occurrence.c.fire_at >= datetime.fromtimestamp(begin, UTC),
            occurrence.c.fire_at < datetime.fromtimestamp(begin + LATENESS_SECONDS, UTC),
        )
    )
    rows = store.read(lambda tx: tx.rows(query))
    return lateness(PEER, _setting(store), [(row.started_at - row.fire_at).total_seconds() for row in rows])


def _setting(store: Store) -> str:
    return f"{NAMES[store.dialect.name]}, a process for jobs apart, full ledger"


def _count(store: Store) -> int:
    query = select(func.count()).select_from(job_schedule)
    found: int = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _finished(store: Store) -> tuple[int, float]:
    query = select(func.count(), func.max(job_run.c.finished_at)).where(job_run.c.status == "succeeded")
    [row] = store.read(lambda tx: tx.rows(query))
    return row[0], row[1].timestamp() if row[1] else 0.0


def main() -> None:
    work = told()
    store = Store(work.server)
    migrate(store)
    with tempfile.TemporaryDirectory() as folder:
        answer((burst if work.name == "burst" else each_second)(work, store, Path(folder)))
    store.close()


if __name__ == "__main__":
    main()
