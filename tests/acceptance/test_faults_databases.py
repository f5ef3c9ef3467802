"""Databases that go away, stand still, fill up or are locked: daemons wait it out and then account for every fire."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.acceptance import apps
from tests.acceptance.daemons import LOCK_TIMEOUT, Site, at_site, boottime, let_pass, until
from tests.databases.client import Server
from tests.databases.session import Databases

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(180)]

HEALED = 20.0
"""Within so many seconds after a database is back everything is on time again: the longest backoff is fifteen."""


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Server]:
    """A server of each kind in turn, to be hurt."""
    found = databases.own_server(request.param)
    yield found
    found.discard()


@pytest.fixture
def site(server: Server, tmp_path: Path) -> Iterator[Site]:
    name = "postgres" if server.kind == "postgresql" else "matins"
    yield from at_site(server.url(name), tmp_path)


@pytest.fixture
def sqlite_site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(sqlite_url, tmp_path)


def _two_busy_daemons(site: Site) -> None:
    site.write_app(apps.app(*apps.crowd(), apps.schedule("long", 2, "patient", args={"seconds": 1.5})))
    site.start("--migrate")
    site.start()
    site.until_on_time()


def _all_is_well_again(site: Site, within: float = HEALED) -> float:
    took = site.until_on_time(within)
    assert [daemon.process.poll() for daemon in site.daemons] == [None] * len(site.daemons)
    site.stop_all()
    site.account()
    site.nothing_held()
    return took


def test_a_restarted_server_costs_no_fire(site: Site, server: Server, record_property: Callable[..., None]) -> None:
    _two_busy_daemons(site)
    server.restart()
    record_property("healed_after", _all_is_well_again(site))


def test_a_server_killed_for_ten_seconds_costs_no_fire(
    site: Site, server: Server, record_property: Callable[..., None]
) -> None:
    _two_busy_daemons(site)
    server.kill()
    let_pass(10)
    server.start()
    record_property("healed_after", _all_is_well_again(site))
    assert all(daemon.said("The lease could not be renewed") for daemon in site.daemons)
    assert not any(daemon.said("Worker ") for daemon in site.daemons), "an outage for all is nobody's death"


def test_a_frozen_server_costs_no_fire(site: Site, server: Server, record_property: Callable[..., None]) -> None:
    _two_busy_daemons(site)
    server.pause()
    let_pass(10)
    server.resume()
    record_property("healed_after", _all_is_well_again(site))
    assert not any(daemon.said("Worker ") for daemon in site.daemons), "an outage for all is nobody's death"


def test_a_daemon_can_be_stopped_while_its_server_is_frozen(site: Site, server: Server) -> None:
    site.write_app(apps.app(apps.schedule("long", 1, "patient", args={"seconds": 60}), *apps.crowd()[:6]))
    daemon = site.start("--migrate")
    line = site.until_begun("patient")
    server.pause()
    let_pass(1)
    at = boottime()
    daemon.signal(signal.SIGTERM)
    try:
        assert daemon.exit_code(12) == 0
        assert boottime() - at < 6
    finally:
        server.resume()
    again = site.start()
    until(
        lambda: next(
            (one for one in site.witnessed("begin") if one.occurrence == line.occurrence and one.attempt > 1), None
        ),
        LOCK_TIMEOUT * 2 + 10,
        "what could not be recorded is recovered",
    )
    assert again.stop() == 0
    site.account()


def test_a_daemon_may_start_before_its_server(site: Site, server: Server) -> None:
    site.write_app(apps.app(*apps.crowd()[:6]))
    site.migrate()
    server.stop()
    daemon = site.start(wait=False)
    daemon.until_said("The start-up met trouble", 20)
    server.start()
    daemon.until_said("Polling every", 20)
    site.until_on_time()
    site.stop_all()
    site.account()
    site.nothing_held()


def test_a_daemon_that_waits_for_its_server_can_be_stopped(site: Site, server: Server) -> None:
    site.write_app(apps.app(*apps.crowd()[:6]))
    site.migrate()
    server.stop()
    daemon = site.start(wait=False)
    daemon.until_said("The start-up met trouble", 20)
    at = boottime()
    assert daemon.stop() == 0
    assert boottime() - at < 5


_LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_file_locked_for_fifteen_seconds_costs_no_fire(
    sqlite_site: Site, record_property: Callable[..., None]
) -> None:
    _two_busy_daemons(sqlite_site)
    path = str(make_url(sqlite_site.url).database)
    with subprocess.Popen(
        [sys.executable, "-c", _LOCKER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as locker:
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        let_pass(15)
        locker.communicate()
    record_property("healed_after", _all_is_well_again(sqlite_site))


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False).returncode == 0
    )
    if not mounted:
        pytest.skip("no right to mount a small disk")
    try:
        for site in at_site(f"sqlite:///{disk / 'matins.db'}", tmp_path):
            _two_busy_daemons(site)
            filler = disk / "filler"
            _fill(filler)
            for daemon in site.daemons:
                until(lambda d=daemon: "full" in d.log.read_text() or "disk I/O" in d.log.read_text(), 30, "it says so")  # type: ignore[misc]
            let_pass(5)
            filler.unlink()
            _all_is_well_again(site)
            with closing(sqlite3.connect(disk / "matins.db")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return
