"""The Celery application that beat and the worker load; the driver tells it of the work through the environment."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import redis
from celery import Celery
from celery.schedules import crontab

SERVER = os.environ["BENCH_REDIS"]
DUE = datetime.fromtimestamp(int(os.environ["BENCH_DUE"]), UTC)
FINISHED = "bench:finished"

app = Celery("bench", broker=SERVER)
app.conf.update(
    timezone="UTC",
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    beat_schedule={
        str(number): {
            "task": "trivial",
            "schedule": crontab(minute=DUE.minute, hour=DUE.hour, day_of_month=DUE.day, month_of_year=DUE.month),
        }
        for number in range(int(os.environ["BENCH_SCHEDULES"]))
    },
)
_client = redis.Redis.from_url(SERVER)


@app.task(name="trivial")
def trivial() -> None:
    """The only way to learn when a task without a result was done is that it says so."""
    _client.rpush(FINISHED, time.time())
