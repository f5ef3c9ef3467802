"""Celery beat sends due tasks to a prefork worker through Redis. No history.

Its lateness each second is not measured: beat's cron has no seconds, and its intervals count from the last send, so
there is no planned instant to be late against.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import redis

from bench.measure import BURST_SECONDS, Figure, Work, answer, next_minute, told

CORES = os.cpu_count() or 1
PEER = f"Celery beat {version('celery')}"
SETTING = f"Redis, not persisted; worker of {CORES} processes, no results"
FINISHED = "bench:finished"


def burst(work: Work) -> Figure:
    """Every schedule once, all due at the same minute."""
    due = next_minute(at_least_seconds=15 + work.schedules / 1000)
    broker = redis.Redis.from_url(work.server)
    broker.flushall()
    environment = {
        **os.environ,
        "BENCH_REDIS": work.server,
        "BENCH_DUE": str(due),
        "BENCH_SCHEDULES": str(work.schedules),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        celery(environment, "worker", "--concurrency", str(CORES), "--loglevel", "ERROR", "--pool", "prefork"),
        celery(environment, "beat", "--schedule", f"{folder}/beat", "--pidfile=", "--loglevel", "ERROR"),
    ):
        deadline = due + BURST_SECONDS
        while broker.llen(FINISHED) < work.schedules and time.time() < deadline:
            time.sleep(0.2)
    finished = [float(at) for at in broker.lrange(FINISHED, 0, -1)]
    return Figure(
        peer=PEER,
        setting=SETTING,
        work=work.name,
        schedules=work.schedules,
        finished=len(finished),
        seconds=max(finished) - due,
    )


@contextmanager
def celery(environment: dict[str, str], *arguments: str) -> Iterator[None]:
    """One of Celery's processes, stopped at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "--app", "bench.peers.celery_app", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    answer(burst(told()))
