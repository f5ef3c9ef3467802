"""What Matins costs at rest, how long it takes to start, and how soon it takes over: `python -m bench.matins_rest`.

On PostgreSQL, with a throw-away server. Prints a table and writes it into ``docs/performance.md`` beside the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from sqlalchemy import func, select, text

from bench import machine, report
from bench.matins_daemon import DaemonProcess, wait_for
from bench.measure import sleep_until, unix_time
from matins.store.engine import Store
from matins.store.migrate import migrate
from matins.store.tables import job_run, occurrence
from tests.databases.client import KeeperClient, KeeperProcess
from tests.databases.creation import PostgreSQLPlace

BEGIN = "<!-- rest: begin -->"
END = "<!-- rest: end -->"
SETTLE_SECONDS = 20
IDLE_SECONDS = 60
LOCK_TIMEOUT = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.matins_rest")
    parser.add_argument("--schedules", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    keeper = KeeperProcess()
    try:
        place = PostgreSQLPlace(KeeperClient(keeper.path).own("postgresql").url)
        rows = [at_rest(place.create(f"rest_{count}"), count) for count in arguments.schedules]
        table = report.table(
            [
                "enabled schedules",
                "start-up",
                "start-up, again",
                "CPU of one core",
                "memory",
                "transactions/min",
                "connections",
            ],
            rows,
        )
        taken = takeover(place.create("takeover"))
    finally:
        keeper.close()
    content = f"On {machine.facts()}.\n\n{table}\n\n{taken}"
    print(f"\n{content}")
    if not arguments.no_write:
        report.write(report.PERFORMANCE, content, BEGIN, END)


def at_rest(url: str, count: int) -> Sequence[str]:
    """Start a daemon over so many schedules, none of which falls due, and watch it do nothing."""
    store = Store(url)
    migrate(store)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {"BENCH_WORK": "idle", "BENCH_SCHEDULES": str(count)}
        with DaemonProcess(url, environment, log) as daemon:
            wait_for("the start", lambda: daemon.said("Schedule daemon started"), 120)
        first = _synchronised_in(log)
        with DaemonProcess(url, environment, log) as daemon:
            wait_for("the start", lambda: daemon.said("Schedule daemon started"), 120)
            again = _synchronised_in(log)
            sleep_until(unix_time() + SETTLE_SECONDS)
            cpu, transactions = daemon.cpu_seconds(), _transactions(store)
            sleep_until(unix_time() + IDLE_SECONDS)
            cpu, transactions = daemon.cpu_seconds() - cpu, _transactions(store) - transactions
            memory, connections = daemon.memory_mib(), _connections(store)
    store.close()
    return [
        f"{count:,}",
        f"{first:.1f} s",
        f"{again:.1f} s",
        f"{100 * cpu / IDLE_SECONDS:.2f} %",
        f"{memory:.0f} MiB",
        f"{transactions * 60 / IDLE_SECONDS:.0f}",
        str(connections),
    ]


def takeover(url: str) -> str:
    """Kill one of two daemons while each may hold a long run; when do the other's fires go on, and the lost runs again?"""
    store = Store(url)
    migrate(store)
    environment = {
        "BENCH_WORK": "takeover",
        "BENCH_SCHEDULES": "20",
        "BENCH_DUE": str(unix_time() + 10),
        "LOCK_TIMEOUT_MS": str(int(LOCK_TIMEOUT * 1000)),
        "HEARTBEAT_INTERVAL_MS": "2000",
        "MATINS_CONCURRENCY": "2",
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        DaemonProcess(url, environment, Path(folder) / "one") as one,
        DaemonProcess(url, environment, Path(folder) / "two") as two,
    ):
        wait_for("both long runs", lambda: _running_long(store) == 2, 60)
        sleep_until(unix_time() + LOCK_TIMEOUT + 5)
        victim = two if _holder(store) in two.log.read_text() else one
        victim.kill()
        killed = unix_time()
        wait_for("the loss", lambda: _lost(store) > 0, 60)
        recovered = unix_time() - killed
        latest = _latest_start(store)
    store.close()
    return (
        f"One of two daemons killed (`kill -9`), lock timeout {LOCK_TIMEOUT:g} s: its runs were recovered after"
        f" {recovered:.1f} s; the other went on with schedules that fire each second (the largest gap between"
        f" starts was {latest:.2f} s)."
    )


def _synchronised_in(log: Path) -> float:
    """Seconds from the registration to the end of the synchronisation, loading the code included, by the log."""
    at = {}
    for line in log.read_text().splitlines():
        said = json.loads(line)
        at[said["event"]] = datetime.fromisoformat(said["timestamp"])
    begin = next(when for event, when in at.items() if event.startswith("Starting"))
    return (at["Definitions synchronised"] - begin).total_seconds()


def _transactions(store: Store) -> int:
    query = text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
    found: int = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _connections(store: Store) -> int:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    found: int = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _running_long(store: Store) -> int:
    query = select(func.count()).select_from(job_run).where(job_run.c.job == "long", job_run.c.status == "running")
    found: int = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _holder(store: Store) -> str:
    query = select(job_run.c.worker_id).where(job_run.c.job == "long", job_run.c.status == "running").limit(1)
    found: str = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _lost(store: Store) -> int:
    query = select(func.count()).select_from(job_run).where(job_run.c.job == "long", job_run.c.status == "lost")
    found: int = store.read(lambda tx: tx.execute(query).scalar_one())
    return found


def _latest_start(store: Store) -> float:
    """The largest gap between two starts of the schedules that fire each second."""
    query = (
        select(job_run.c.started_at)
        .join_from(job_run, occurrence, job_run.c.occurrence_id == occurrence.c.id)
        .where(job_run.c.job == "trivial", job_run.c.started_at.is_not(None))
        .order_by(job_run.c.started_at)
    )
    starts = [row.started_at for row in store.read(lambda tx: tx.rows(query))]
    return max(float((b - a).total_seconds()) for a, b in pairwise(starts))


if __name__ == "__main__":
    main()
