"""Daemons that are killed, paused and stopped: what others see of it, and what is left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from matins.store.tables import job_run
from tests.acceptance import apps
from tests.acceptance.daemons import LOCK_TIMEOUT, MARGIN, ON_TIME, Site, at_site, boottime, let_pass, until
from tests.databases import process


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A site on each database in turn."""
    yield from at_site(database_url, tmp_path)


@pytest.fixture
def postgresql_site(postgresql_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(postgresql_url, tmp_path)


@pytest.fixture
def sqlite_site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(sqlite_url, tmp_path)


def test_a_killed_daemons_jobs_die_and_another_daemon_takes_over(postgresql_site: Site) -> None:
    _kill_mid_job(postgresql_site)


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_daemons_jobs_die_and_another_daemon_takes_over_on_every_database(site: Site) -> None:
    _kill_mid_job(site)


def _kill_mid_job(site: Site) -> None:
    site.write_app(
        apps.app(
            apps.schedule("long", 2, "patient", args={"seconds": 60}),
            apps.schedule("frail", 2, "fragile", args={"seconds": 60}),
            apps.schedule("free", 1, "quick", overlap="allow"),
            *apps.crowd()[:6],
        )
    )
    first = site.start("--migrate", MATINS_CONCURRENCY="4")
    patient, frail = site.until_begun("patient"), site.until_begun("fragile")
    site.start(MATINS_CONCURRENCY="4")
    below = first.family()
    first.kill()
    assert all(process.ended(pid, 2) for pid in below), "the job's processes outlived the daemon by two seconds"
    at = boottime()
    retried = until(
        lambda: next((one for one in site.witnessed("begin", job="patient") if one.attempt == 2), None),
        LOCK_TIMEOUT + MARGIN + 2,
        f"the lost run is tried again\n{site.tails()}",
    )
    assert retried.occurrence == patient.occurrence
    assert retried.at - at < LOCK_TIMEOUT + MARGIN + 1.5
    [lost] = site.runs(job_run.c.id == frail.run)
    assert (lost.status, lost.error_type) == ("lost", "WorkerLost")
    assert not [one for one in site.witnessed("begin", job="fragile") if one.occurrence == frail.occurrence][1:]
    # Of a schedule that the dead daemon's runs cannot hold up, since it may have been killed with runs of all others.
    free = [line for line in site.witnessed("begin") if line.schedule == "free" and line.attempt == 1]
    assert [line for line in free if at < line.at < at + LOCK_TIMEOUT and line.late < ON_TIME + 1]
    assert site.workers()[first.worker].status == "DEAD"
    site.stop_all()
    site.account()


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(180)
def test_a_paused_daemon_loses_its_runs_in_time_and_comes_back_under_a_new_name(site: Site) -> None:
    site.write_app(apps.app(apps.schedule("long", 2, "patient", args={"seconds": 6}), *apps.crowd()))
    first = site.start("--migrate")
    site.until_begun("patient")
    second = site.start()
    site.until_on_time()
    begun = {line.run for line in site.witnessed("begin", job="patient")}
    before = first.worker
    first.signal(signal.SIGSTOP)
    let_pass(3 * (LOCK_TIMEOUT + MARGIN))
    rows_before = {row.id: row for row in site.runs(job_run.c.worker_id == before, job_run.c.status != "running")}
    first.signal(signal.SIGCONT)
    first.until_said("Declared dead", 10)
    site.until_on_time()
    rows_after = {row.id: row for row in site.runs(job_run.c.worker_id == before)}
    assert {id_: rows_after[id_] for id_ in rows_before} == rows_before
    assert begun
    assert first.worker != before
    until(lambda: site.runs(job_run.c.worker_id == first.worker), 10, "the new identity works")
    assert site.workers()[before].status == "DEAD"
    site.stop_all()
    site.account()
    site.nothing_held()
    assert second.said("Worker ")


def test_a_stopping_daemon_drains_and_leaves_nothing_behind(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app(apps.schedule("long", 1, "patient", args={"seconds": 1.5}), *apps.crowd()[:4]))
    daemon = site.start("--migrate")
    line = site.until_begun("patient")
    daemon.signal(signal.SIGTERM)
    at = boottime()
    assert daemon.exit_code() == 0
    assert boottime() - at < 5
    assert [row.status for row in site.runs(job_run.c.id == line.run)] == ["succeeded"]
    assert not [one for one in site.witnessed("begin") if one.at > at + 1]
    [row] = site.workers().values()
    assert (row.status, row.stop_reason) == ("STOPPED", "stopped by SIGTERM")
    site.account()
    site.nothing_held()


def test_what_does_not_end_within_the_grace_is_interrupted_and_tried_again(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(
        apps.app(
            apps.schedule("long", 3600, "patient", args={"seconds": 60}),
            apps.schedule("s", 1, "patient", args={"seconds": 60}),
        )
    )
    daemon = site.start("--migrate", SHUTDOWN_GRACE_MS="2000")
    line = site.until_begun("patient")
    at = boottime()
    assert daemon.stop() == 0
    assert boottime() - at < 2.7
    [row] = site.runs(job_run.c.id == line.run)
    assert row.status == "interrupted"
    assert not process.is_alive(line.pid)
    again = site.start()
    retried = until(
        lambda: next((one for one in site.witnessed("begin") if one.attempt == 2), None),
        10,
        "the interrupted run is tried again",
    )
    assert retried.occurrence == line.occurrence
    again.signal(signal.SIGTERM)
    again.until_said("Stopping on", 5)
    at = boottime()
    again.signal(signal.SIGTERM)
    assert again.exit_code() == 0
    assert boottime() - at < 2.5
    assert again.said("Stopping at once")
    site.account()
    assert {row.status for row in site.workers().values()} == {"STOPPED"}


@pytest.mark.slow
@pytest.mark.faults
def test_a_daemon_without_a_free_slot_keeps_no_fire_from_one_that_has(postgresql_site: Site) -> None:
    site = postgresql_site
    site.write_app(
        apps.app(
            apps.schedule("long", 3600, "patient", args={"seconds": 60}),
            apps.schedule("blocker", 1, "patient", args={"seconds": 60}),
            more="",
        )
    )
    site.start("--migrate", MATINS_CONCURRENCY="1")
    site.until_begun("patient")
    site.write_app(
        apps.app(apps.schedule("blocker", 1, "patient", args={"seconds": 60}), apps.schedule("often", 2, "quick"))
    )
    site.start(MATINS_CONCURRENCY="1")
    site.daemons[0].signal(signal.SIGHUP)
    site.daemons[0].until_said("Definitions synchronised", 20, times=2)
    until(lambda: len(site.witnessed("begin", job="quick")) >= 10, 40, "ten fires")
    late = [line.late for line in site.witnessed("begin", job="quick")]
    assert max(late[1:]) < 2.5, late
