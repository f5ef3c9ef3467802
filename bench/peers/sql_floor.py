"""The floor: hand-written SQL for the rows a ledger needs, over one connection, with no job and no Python around it.

For each batch three transactions: plan (occurrence and run come to be, the schedule's next time moves), start (the run
is claimed, the occurrence runs), finish (run, occurrence and the schedule's counters). What a full ledger costs at least.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql

from bench.measure import Figure, answer

SCHEMA = [
    "CREATE TABLE schedule (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE, enabled INTEGER NOT NULL,"
    " next_run_at DOUBLE PRECISION, last_run_id INTEGER, last_run_at DOUBLE PRECISION,"
    " run_count INTEGER NOT NULL, failure_count INTEGER NOT NULL)",
    "CREATE INDEX schedule_due ON schedule (enabled, next_run_at, id)",
    "CREATE TABLE occurrence (id INTEGER PRIMARY KEY, schedule_id INTEGER NOT NULL REFERENCES schedule (id),"
    " planned_at DOUBLE PRECISION, status VARCHAR(12) NOT NULL, started_at DOUBLE PRECISION,"
    " finished_at DOUBLE PRECISION, UNIQUE (schedule_id, planned_at))",
    "CREATE INDEX occurrence_status ON occurrence (status, id)",
    "CREATE TABLE job_run (id INTEGER PRIMARY KEY, occurrence_id INTEGER NOT NULL REFERENCES occurrence (id),"
    " schedule_id INTEGER NOT NULL, job VARCHAR(100) NOT NULL, attempt INTEGER NOT NULL, status VARCHAR(12) NOT NULL,"
    " worker_id VARCHAR(36), claim_token VARCHAR(36), started_at DOUBLE PRECISION, finished_at DOUBLE PRECISION,"
    " result VARCHAR(1000))",
    "CREATE INDEX job_run_status ON job_run (status, id)",
    "CREATE INDEX job_run_occurrence ON job_run (occurrence_id)",
]
DUE, LATER = 1000.0, 2000.0
TOKEN = "0123456789abcdef0123456789abcdef"

Statement = tuple[str, Callable[[int], Sequence[Any]]]
PLAN: list[Statement] = [
    ("INSERT INTO occurrence VALUES (?, ?, ?, 'pending', NULL, NULL)", lambda n: (n, n, DUE)),
    (
        "INSERT INTO job_run VALUES (?, ?, ?, 'trivial', 1, 'pending', NULL, NULL, NULL, NULL, NULL)",
        lambda n: (n, n, n),
    ),
    ("UPDATE schedule SET next_run_at = ? WHERE id = ? AND next_run_at = ?", lambda n: (LATER, n, DUE)),
]
START: list[Statement] = [
    (
        "UPDATE job_run SET status = 'running', worker_id = ?, claim_token = ?, started_at = ?"
        " WHERE id = ? AND status = 'pending'",
        lambda n: (TOKEN, TOKEN, DUE + 1, n),
    ),
    ("UPDATE occurrence SET status = 'running', started_at = ? WHERE id = ?", lambda n: (DUE + 1, n)),
]
FINISH: list[Statement] = [
    (
        "UPDATE job_run SET status = 'succeeded', finished_at = ?, result = 'null'"
        " WHERE id = ? AND claim_token = ? AND status = 'running'",
        lambda n: (DUE + 2, n, TOKEN),
    ),
    ("UPDATE occurrence SET status = 'succeeded', finished_at = ? WHERE id = ?", lambda n: (DUE + 2, n)),
    (
        "UPDATE schedule SET run_count = run_count + 1, last_run_id = ?, last_run_at = ? WHERE id = ?",
        lambda n: (n, DUE + 2, n),
    ),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="URL of an empty database")
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--runs", type=int, required=True, help="runs a transaction")
    arguments = parser.parse_args()
    product, connection, mark = connect(arguments.server)
    with closing(connection):
        prepare(connection, mark, arguments.schedules)
        began = time.monotonic()
        for first in range(1, arguments.schedules + 1, arguments.runs):
            batch = range(first, min(first + arguments.runs, arguments.schedules + 1))
            for step in (PLAN, START, FINISH):
                execute(connection, mark, step, batch)
        seconds = time.monotonic() - began
    answer(
        Figure(
            peer=f"SQL by hand, {product}",
            setting=f"{arguments.runs} runs a transaction",
            work="burst",
            schedules=arguments.schedules,
            finished=arguments.schedules,
            seconds=seconds,
        )
    )


def connect(url: str) -> tuple[str, Any, str]:
    """A product's name and version, a connection with durable commits, and the driver's mark for parameters."""
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return f"SQLite {sqlite3.sqlite_version}", connection, "?"
        case "postgresql":
            session = psycopg.connect(url, autocommit=True, prepare_threshold=0)
            return f"PostgreSQL {session.info.server_version // 10000}", session, "%s"
        case _:
            client = pymysql.connect(
                host=parts.hostname,
                port=parts.port or 3306,
                user=parts.username,
                password=parts.password or "",
                database=parts.path[1:],
                autocommit=True,
            )
            return _mariadb_version(client), client, "%s"


def _mariadb_version(client: Any) -> str:
    cursor = client.cursor()
    cursor.execute("SELECT version()")
    (version,) = cursor.fetchone()
    return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version.split('-')[0]}"


def prepare(connection: Any, mark: str, schedules: int) -> None:
    """The tables, and a due schedule for each run."""
    cursor = connection.cursor()
    for statement in SCHEMA:
        cursor.execute(statement)
    rows: Iterable[int] = range(1, schedules + 1)
    insert = f"INSERT INTO schedule VALUES (?, ?, 1, {DUE}, NULL, NULL, 0, 0)"
    execute(connection, mark, [(insert, lambda n: (n, f"schedule-{n}"))], rows)


def execute(connection: Any, mark: str, statements: Sequence[Statement], batch: Iterable[int]) -> None:
    """One transaction: each statement for every run of the batch."""
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    for text, parameters in statements:
        cursor.executemany(text.replace("?", mark), [parameters(number) for number in batch])
    cursor.execute("COMMIT")
    cursor.close()


if __name__ == "__main__":
    main()
