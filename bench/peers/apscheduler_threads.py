"""APScheduler 3: the scheduler's thread hands each job to a pool of ten threads. No database, no history."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import apscheduler
from apscheduler.schedulers.background import BackgroundScheduler

from bench.measure import (
    BURST_SECONDS,
    LATENESS_SECONDS,
    WARM_UP_SECONDS,
    Figure,
    Work,
    answer,
    lateness,
    next_minute,
    sleep_until,
    told,
)

PEER = f"APScheduler {apscheduler.version}"
SETTING = "threads, memory, no history"


def burst(work: Work) -> Figure:
    """Every job once, all due at the same instant."""
    finished: list[float] = []
    all_finished = threading.Event()

    def job() -> None:
        finished.append(time.time())
        if len(finished) == work.schedules:
            all_finished.set()

    scheduler = BackgroundScheduler(timezone=UTC)
    due = next_minute(at_least_seconds=5 + work.schedules / 500)
    at = datetime.fromtimestamp(due, UTC)
    for number in range(work.schedules):
        # By default a start more than a second late is dropped; here it is to count.
        scheduler.add_job(job, "cron", hour=at.hour, minute=at.minute, id=str(number), misfire_grace_time=None)
    scheduler.start()
    if time.time() > due:
        raise RuntimeError("the jobs were not declared before they were due")
    all_finished.wait(due + BURST_SECONDS - time.time())
    scheduler.shutdown(wait=False)
    return Figure(
        peer=PEER,
        setting=SETTING,
        work=work.name,
        schedules=work.schedules,
        finished=len(finished),
        seconds=max(finished) - due,
    )


def each_second(work: Work) -> Figure:
    """Every job each full second."""
    started: list[float] = []
    scheduler = BackgroundScheduler(timezone=UTC)
    for number in range(work.schedules):
        scheduler.add_job(
            lambda: started.append(time.time()), "cron", second="*", id=str(number), misfire_grace_time=None
        )
    scheduler.start()
    begin = int(time.time()) + WARM_UP_SECONDS
    sleep_until(begin + LATENESS_SECONDS - 0.05)
    scheduler.shutdown(wait=True)
    return lateness(PEER, SETTING, [at % 1 for at in started if begin <= at])


if __name__ == "__main__":
    told_work = told()
    answer(burst(told_work) if told_work.name == "burst" else each_second(told_work))
