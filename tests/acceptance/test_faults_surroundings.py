"""What else happens to a running daemon: its output is cut off, people edit its rows, its jobs misbehave."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from matins.store.tables import job_run, job_schedule, occurrence
from tests.acceptance import apps
from tests.acceptance.daemons import HEARTBEAT, Site, at_site, boottime, let_pass, until
from tests.databases import process

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(request.getfixturevalue(f"{request.param}_url"), tmp_path)


@pytest.fixture
def sqlite_site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(sqlite_url, tmp_path)


@pytest.fixture
def postgresql_site(postgresql_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(postgresql_url, tmp_path)


def test_a_reader_of_its_log_that_goes_does_not_take_the_daemon_along(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app(*apps.crowd()[:6]))
    reader, writer = os.pipe()
    daemon = site.start("--migrate", wait=False, stderr=writer)
    os.close(writer)
    until(lambda: site.witnessed("end"), 20, "it works")
    os.close(reader)
    site.until_on_time()
    assert daemon.stop() == 0
    site.account()
    site.nothing_held()


def test_a_reader_of_its_log_that_stops_reading_does_not_stop_the_daemon(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app(*apps.crowd()[:6]))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    daemon = site.start("--migrate", wait=False, stderr=writer)
    until(lambda: site.witnessed("end"), 20, "it works")
    until(lambda: not select.select([], [writer], [], 0)[1], 20, "nobody reads, and the pipe is full")
    os.close(writer)
    site.until_on_time()
    os.close(reader)
    assert daemon.stop() == 0


def test_a_daemon_without_standard_streams_works(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app(*apps.crowd()[:6]))
    site.migrate()
    daemon = site.start(wait=False, before=["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'])
    until(lambda: site.witnessed("end"), 20, f"it works\n{site.tails()}")
    site.until_on_time()
    assert daemon.stop() == 0
    site.account()
    site.nothing_held()


def test_edited_rows_are_repaired_and_hold_up_nobody(site: Site) -> None:
    others = [apps.schedule(f"fine-{number}", 1, "quick") for number in range(4)]
    hurt = {
        "null": {"next_run_at": None},
        "past": {"next_run_at": datetime(1970, 1, 1, tzinfo=UTC)},
        "far": {"next_run_at": datetime(9999, 12, 31, tzinfo=UTC)},
        "held": {"locked_at": datetime(2020, 1, 1, tzinfo=UTC), "locked_by": "somebody"},
    }
    site.write_app(apps.app(*others, *(apps.schedule(name, 1, "quick") for name in hurt)))
    daemon = site.start("--migrate")
    site.until_on_time()
    for name, values in hurt.items():
        site.store.write(
            lambda tx, n=name, v=values: tx.execute(update(job_schedule).where(job_schedule.c.id == n).values(**v))
        )  # type: ignore[misc]
    since = boottime()
    until(
        lambda: (
            {line.schedule for line in site.witnessed("begin") if line.at > since + 1}
            >= {"fine-0", "fine-3", "past", "held"}
        ),
        10,
        "the others are on time",
    )
    daemon.signal(signal.SIGHUP)
    site.until_on_time(75)
    site.stop_all()
    site.account_for_starts()
    site.nothing_held()


def test_garbage_in_a_row_sets_that_row_aside_alone(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(
        apps.app(
            *(apps.schedule(f"fine-{n}", 1, "quick") for n in range(3)),
            apps.schedule("a", 1, "quick"),
            apps.schedule("b", 1, "quick"),
            apps.schedule("c", 1, "quick"),
        )
    )
    site.start("--migrate")
    site.until_on_time()
    for statement in (
        "UPDATE job_schedule SET next_run_at = 'garbage' WHERE id = 'a'",
        "UPDATE job_schedule SET planned_through = 'garbage' WHERE id = 'b'",
        "UPDATE job_schedule SET definition = '{]' WHERE id = 'c'",
    ):
        site.store.write(lambda tx, s=statement: tx.execute(text(s)))  # type: ignore[misc]
    since = boottime()
    until(
        lambda: (
            len([line for line in site.witnessed("begin") if line.at > since + 3 and line.schedule.startswith("fine")])
            >= 9
        ),
        15,
        f"the others go on\n{site.tails()}",
    )
    assert (
        max(line.late for line in site.witnessed("begin") if line.at > since + 1 and line.schedule.startswith("fine"))
        < 2
    )
    site.stop_all()


def test_runs_and_occurrences_deleted_by_hand_block_nothing(site: Site) -> None:
    site.write_app(apps.app(apps.schedule("long", 2, "patient", args={"seconds": 1}), *apps.crowd()[:4]))
    site.start("--migrate")
    site.until_begun("patient")
    site.store.write(lambda tx: tx.execute(delete(job_run).where(job_run.c.status == "running")))
    site.store.write(lambda tx: tx.execute(delete(occurrence).where(occurrence.c.status == "running")))
    site.until_on_time(30)
    site.stop_all()


_BAD_JOBS = """
@app.job(timeout="1s")
def deaf(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: pass

@app.job
def crash(ctx):
    os.kill(os.getpid(), signal.SIGSEGV)

@app.job
def leave(ctx):
    os._exit(0)

@app.job
def breed(ctx):
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)

@app.job
def shout(ctx):
    sys.stdout.write("x" * 20_000_000)
"""


def test_bad_jobs_disturb_neither_the_daemon_nor_their_neighbours(site: Site) -> None:
    bad = [apps.schedule(name, 3, name) for name in ("deaf", "crash", "leave", "breed", "shout")]
    site.write_app(apps.app(*apps.crowd()[:6], *bad, more=_BAD_JOBS))
    daemon = site.start("--migrate", MATINS_CONCURRENCY="5")
    wanted = {"deaf": "timed_out", "crash": "failed", "leave": "failed", "breed": "succeeded", "shout": "succeeded"}
    until(
        lambda: all(
            any(row.status == status for row in site.runs(job_run.c.job == job)) for job, status in wanted.items()
        ),
        40,
        f"each ends as it should\n{site.tails()}",
    )
    for job, status in wanted.items():
        assert {row.status for row in site.runs(job_run.c.job == job, job_run.c.finished_at.is_not(None))} == {status}
    beats = [row.last_heartbeat_at for row in site.workers().values()]
    assert (site.now() - beats[0]).total_seconds() < 4 * HEARTBEAT
    assert not daemon.said("The lease could not be renewed")
    below = daemon.family()
    assert daemon.stop() == 0
    assert all(process.ended(pid, 2) for pid in below)
    site.account_for_fires()
    site.nothing_held()


def test_a_killed_supervisor_or_interpreter_costs_one_run_and_no_fire(site: Site) -> None:
    site.write_app(apps.app(apps.schedule("long", 2, "patient", args={"seconds": 1.5}), *apps.crowd()[:6]))
    daemon = site.start("--migrate")
    line = site.until_begun("patient")
    os.kill(line.pid, signal.SIGKILL)
    until(lambda: site.runs(job_run.c.id == line.run)[0].status == "failed", 5, "the death is recorded")
    line = site.until_begun("patient", after=boottime())
    [supervisor] = [pid for pid in process.children(daemon.pid) if line.pid in process.children(pid)]
    os.kill(supervisor, signal.SIGKILL)
    assert process.ended(line.pid, 2)
    until(lambda: site.runs(job_run.c.id == line.run)[0].status == "lost", 5, "the loss is recorded")
    site.until_on_time()
    site.stop_all()
    site.account()
    site.nothing_held()


def test_a_daemon_holds_four_connections_at_most_and_says_little_when_idle(postgresql_site: Site) -> None:
    site = postgresql_site
    site.write_app(apps.app(*apps.crowd(), apps.schedule("rare", 3600, "quick")))
    site.start("--migrate", LOCK_TIMEOUT_MS="60000", HEARTBEAT_INTERVAL_MS="15000")
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'matins' AND pid <> pg_backend_pid()")
    peak = 0
    deadline = boottime() + 8
    while boottime() < deadline:
        peak = max(peak, site.rows(query)[0][0])
        let_pass(0.05)
    assert peak <= 4
    site.stop_all()
    site.write_app(apps.app(apps.schedule("rare", 36000, "quick")))
    log = Path(site.rows(text("SHOW data_directory"))[0][0]).parent / "log"
    name = site.url.rpartition("/")[2]
    site.store.write(lambda tx: tx.execute(text(f"ALTER DATABASE {name} SET log_statement = 'all'")))
    site.start(LOCK_TIMEOUT_MS="60000", HEARTBEAT_INTERVAL_MS="15000")
    let_pass(5)
    before = log.stat().st_size
    let_pass(20)
    said = log.read_bytes()[before:]
    assert said.count(b"statement: BEGIN") * 3 < 60 + 30
    assert (said.count(b"LOG:  execute") + said.count(b"LOG:  statement: SELECT")) * 3 < 60 + 60
    site.stop_all()
