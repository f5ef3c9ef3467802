"""The application that Matins is measured with: as many schedules as asked for, of one trivial job each."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from matins import Matins, at, cron, every

app = Matins()


@app.job(retries=1)
def trivial() -> None:
    """Nothing: what is measured is what surrounds it."""


@app.job(name="long", retries=1, timeout="10m")
def wait_long() -> None:
    """Long enough to be under way when its daemon is killed."""
    import time

    time.sleep(300)


_due = datetime.fromtimestamp(float(os.environ.get("BENCH_DUE", "0")), UTC)
_count = int(os.environ.get("BENCH_SCHEDULES", "1"))

for _number in range(_count):
    match os.environ.get("BENCH_WORK", "burst"):
        case "burst":
            app.schedule(f"s{_number}", at(_due), jobs="trivial", enabled=True)
        case "idle":
            app.schedule(f"s{_number}", cron(f"{_number % 60} 2 1 1 *"), jobs="trivial", enabled=True)
        case "takeover":
            job = "long" if _number < 2 else "trivial"
            app.schedule(f"s{_number}", at(_due) if job == "long" else every(seconds=1), jobs=job, enabled=True)
        case _:
            app.schedule(f"s{_number}", every(seconds=1), jobs="trivial", enabled=True)
