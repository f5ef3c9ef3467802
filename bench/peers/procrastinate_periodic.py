"""Procrastinate: periodic tasks are deferred into PostgreSQL by the worker that then runs them. Keeps its jobs' history."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from importlib.metadata import version

import procrastinate
import psycopg

from bench.measure import (
    BURST_SECONDS,
    LATENESS_SECONDS,
    WARM_UP_SECONDS,
    Figure,
    Work,
    answer,
    lateness,
    next_minute,
    told,
)

PEER = f"Procrastinate {version('procrastinate')}"
SETTING = "PostgreSQL, one worker, 20 at once"
CONCURRENCY = 20


def application(work: Work, cron: str, started: list[float]) -> procrastinate.App:
    """As many schedules as asked for, of one trivial task."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=work.server))

    @app.task(name="trivial", pass_context=False)
    async def trivial(timestamp: int) -> None:
        started.append(time.time() - timestamp)

    for number in range(work.schedules):
        app.periodic(cron=cron, periodic_id=str(number))(trivial)
    return app


async def run_until(app: procrastinate.App, ended: float, finished: asyncio.Event) -> None:
    """Run a worker until the event is set or the instant has come."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(
            app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False, fetch_job_polling_interval=1)
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ended - time.time()):
                await finished.wait()
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


async def burst(work: Work) -> Figure:
    """Every schedule once, all due at the same minute; the ledger says when the last was finished."""
    due = next_minute(at_least_seconds=10)
    at = datetime.fromtimestamp(due, UTC)
    app = application(work, f"{at.minute} {at.hour} {at.day} {at.month} *", [])
    finished = asyncio.Event()
    watch = asyncio.create_task(_watch(work, due, finished))
    await run_until(app, due + BURST_SECONDS, finished)
    watch.cancel()
    count, last = _succeeded(work.server)
    return Figure(
        peer=PEER,
        setting=SETTING,
        work=work.name,
        schedules=work.schedules,
        finished=count,
        seconds=last - due,
    )


async def each_second(work: Work) -> Figure:
    """Every schedule each full second: the sixth field of its cron is the second."""
    started: list[float] = []
    await run_until(
        application(work, "* * * * * *", started),
        time.time() + WARM_UP_SECONDS + LATENESS_SECONDS,
        asyncio.Event(),
    )
    return lateness(PEER, SETTING, started[-LATENESS_SECONDS * work.schedules :])


async def _watch(work: Work, due: float, finished: asyncio.Event) -> None:
    await asyncio.sleep(due - time.time())
    while True:
        await asyncio.sleep(0.5)
        if (await asyncio.to_thread(_succeeded, work.server))[0] >= work.schedules:
            finished.set()
            return


def _succeeded(server: str) -> tuple[int, float]:
    with psycopg.connect(server) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(extract(epoch FROM max(at)), 0)::float8"
            " FROM procrastinate_events WHERE type = 'succeeded'"
        ).fetchone()
    assert row is not None
    return row


if __name__ == "__main__":
    told_work = told()
    answer(asyncio.run(burst(told_work) if told_work.name == "burst" else each_second(told_work)))
