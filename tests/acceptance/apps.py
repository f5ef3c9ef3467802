"""Applications for daemons under test. Their jobs write down what they do, in a file only they write to.

A line is ``what run occurrence attempt schedule job instant process lateness``; instants are readings of
the boot-time clock, so that lines of different processes can be put in order.
"""

from __future__ import annotations

from collections.abc import Sequence

PRELUDE = """
import os, signal, subprocess, sys, threading, time
from datetime import timedelta
from matins import Matins, every

app = Matins(name="shop")


def witness(ctx, what):
    line = f"{what} {ctx.run_id} {ctx.occurrence_id} {ctx.attempt} {ctx.schedule_id} {ctx.job} "
    line += f"{time.clock_gettime(time.CLOCK_BOOTTIME):.6f} {os.getpid()} {time.time() - ctx.fire_at.timestamp():.3f}\\n"
    fd = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line.encode())
    os.close(fd)


def busy(ctx, seconds):
    witness(ctx, "begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.05, max(0.0, until - time.monotonic())))
        witness(ctx, "beat")
    witness(ctx, "end")


@app.job(retries=3, backoff="100ms", on_lost="retry")
def quick(ctx):
    busy(ctx, 0)


@app.job(on_lost="fail")
def once(ctx):
    busy(ctx, 0.02)


@app.job(retries=5, backoff="100ms", on_lost="retry", timeout="5m")
def patient(ctx):
    busy(ctx, float(ctx.args.get("seconds", 2)))


@app.job(on_lost="fail", timeout="5m")
def fragile(ctx):
    busy(ctx, float(ctx.args.get("seconds", 2)))
"""


def schedule(id_: str, seconds: float, job: str, **options: object) -> str:
    """One line that declares an enabled schedule."""
    rest = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"app.schedule({id_!r}, every(seconds={seconds}), jobs={job!r}, enabled=True{rest})\n"


def app(*schedules: str, more: str = "") -> str:
    """The text of a module with these schedules."""
    return PRELUDE + more + "\n" + "".join(schedules)


def crowd() -> Sequence[str]:
    """Twenty schedules every one to five seconds, of jobs that may and may not be repeated."""
    jobs = ("quick", "once", "quick", "once")
    return [schedule(f"s{period}-{number}", period, job) for period in range(1, 6) for number, job in enumerate(jobs)]
