"""Code that changes, breaks, hangs or differs between daemons while they run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from matins.store.tables import job_run
from tests.acceptance import apps
from tests.acceptance.daemons import Site, at_site, boottime, until
from tests.databases import process

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(request.getfixturevalue(f"{request.param}_url"), tmp_path)


@pytest.fixture
def sqlite_site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    yield from at_site(sqlite_url, tmp_path)


_NEW_JOB = """
@app.job
def fresh(ctx):
    witness(ctx, "begin")
    witness(ctx, "end")


@app.job
def same(ctx):
    busy(ctx, 0)
    witness(ctx, "new-body")
"""
_SAME = """
@app.job
def same(ctx):
    busy(ctx, 0)
    witness(ctx, "old-body")
"""


def test_a_reload_takes_over_changed_code_and_jobs(site: Site) -> None:
    often = [apps.schedule(f"s{number}", 1, "quick") for number in range(4)]
    site.write_app(apps.app(*often, apps.schedule("body", 1, "same"), apps.schedule("gone", 1, "quick"), more=_SAME))
    daemon = site.start("--migrate")
    until(lambda: site.witnessed("old-body"), 15, "the old code runs")
    site.write_app(apps.app(*often, apps.schedule("body", 1, "same"), apps.schedule("new", 1, "fresh"), more=_NEW_JOB))
    daemon.signal(signal.SIGHUP)
    daemon.until_said("Definitions synchronised", 15, times=2)
    at = boottime()
    until(lambda: site.witnessed("begin", job="fresh"), 15, f"the new job runs\n{site.tails()}")
    until(lambda: site.witnessed("new-body"), 10, f"the new body runs\n{site.tails()}")
    first_new = site.witnessed("new-body")[0].at
    assert not [line for line in site.witnessed("old-body") if line.at > first_new]
    assert site.schedule("gone").removed_at is not None
    assert not [line for line in site.witnessed("begin") if line.schedule == "gone" and line.at > at + 1.5]
    site.until_on_time()
    site.stop_all()
    site.account()
    site.nothing_held()
    assert {row.status for row in site.runs()} == {"succeeded"}


@pytest.mark.parametrize(
    "broken",
    [
        "raise RuntimeError('no')",
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 11)",
        "app.schedule('bad', every(seconds=1), jobs='none')",
    ],
    ids=["raises", "exits", "crashes", "faulty"],
)
def test_a_reload_of_broken_code_changes_nothing(broken: str, sqlite_site: Site) -> None:
    site = sqlite_site
    good = apps.app(*apps.crowd()[:4], apps.schedule("long", 1, "patient", args={"seconds": 3}))
    site.write_app(good)
    daemon = site.start("--migrate", MATINS_CONCURRENCY="2")
    site.until_begun("patient")
    until(lambda: len({line.pid for line in site.witnessed()}) == 2, 15, "both slots are warm")
    site.write_app(good + broken + "\n")
    daemon.signal(signal.SIGHUP)
    daemon.until_said("Definitions could not be loaded again", 15)
    site.until_on_time()
    site.write_app(good)
    daemon.signal(signal.SIGHUP)
    daemon.until_said("Definitions synchronised", 15, times=2)
    site.until_on_time()
    site.stop_all()
    site.account()
    assert {row.status for row in site.runs()} == {"succeeded"}


def test_a_reload_of_hanging_code_holds_up_neither_work_nor_stop(sqlite_site: Site) -> None:
    site = sqlite_site
    good = apps.app(*apps.crowd()[:4])
    site.write_app(good)
    daemon = site.start("--migrate")
    site.until_on_time()
    site.write_app(good + "while True: time.sleep(1)\n")
    before = set(daemon.family())
    daemon.signal(signal.SIGHUP)
    [loading] = until(lambda: set(daemon.family()) - before, 10, "the code is being loaded")
    site.until_on_time()
    at = boottime()
    assert daemon.stop() == 0
    assert boottime() - at < 5.5
    assert process.ended(loading, 2), "the process that loads the code outlived the daemon"
    site.account()
    site.nothing_held()


def test_a_start_can_be_stopped_while_the_code_hangs(sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app() + "while True: time.sleep(1)\n")
    daemon = site.start("--migrate", wait=False)
    daemon.until_said("Starting schedule daemon", 10)
    [loading] = until(daemon.family, 10, "the code is being loaded")
    at = boottime()
    assert daemon.stop() == 0
    assert boottime() - at < 3
    assert process.ended(loading, 2)


def test_a_schedule_that_leaves_the_code_while_it_runs_ends_its_run_and_is_kept(site: Site) -> None:
    others = list(apps.crowd()[:4])
    site.write_app(apps.app(*others, apps.schedule("leaving", 1, "patient", args={"seconds": 4})))
    daemon = site.start("--migrate")
    line = site.until_begun("patient")
    site.write_app(apps.app(*others))
    daemon.signal(signal.SIGHUP)
    daemon.until_said("Definitions synchronised", 15, times=2)
    row = site.schedule("leaving")
    assert (row.removed_at is not None, row.next_run_at) == (True, None)
    until(lambda: site.runs(job_run.c.id == line.run)[0].status == "succeeded", 10, f"the run ends\n{site.tails()}")
    assert site.schedule("leaving").locked_at is None
    site.until_on_time()
    site.write_app(apps.app(*others, apps.schedule("leaving", 1, "quick")))
    daemon.signal(signal.SIGHUP)
    daemon.until_said("Definitions synchronised", 15, times=3)
    site.until_on_time()
    assert not [one for one in site.occurrences("leaving") if one.reason == "missed"]
    site.stop_all()
    site.account_for_starts()
    site.nothing_held()


def test_two_versions_of_the_code_work_side_by_side(site: Site) -> None:
    both = list(apps.crowd()[:8])
    site.write_app(apps.app(*both, apps.schedule("old", 1, "quick"), apps.schedule("moved", 1, "once")))
    old = site.start("--migrate")
    site.until_on_time()
    site.write_app(
        apps.app(
            *both,
            apps.schedule("new", 1, "fresh"),
            apps.schedule("moved", 2, "once"),
            more="\n@app.job\ndef fresh(ctx):\n    busy(ctx, 0)\n",
        )
    )
    new = site.start()
    site.until_on_time()
    assert site.schedule("old").removed_at is None, "the old code still knows it"
    assert old.stop() == 0
    until(lambda: site.schedule("old").removed_at, 70, f"nobody knows it any more\n{site.tails()}")
    site.until_on_time()
    assert {row.status for row in site.runs()} <= {"succeeded", "running", "pending"}
    assert new.stop() == 0
    rows = [row for row in site.occurrences("moved") if row.planned_at is not None]
    assert len({row.planned_at for row in rows}) == len(rows)
    site.account_for_starts()
    site.nothing_held()


def test_rolling_restarts_lose_and_double_nothing(site: Site) -> None:
    site.write_app(apps.app(*apps.crowd(), *(apps.schedule(f"each-{number}", 1, "once") for number in range(4))))
    generation = [site.start("--migrate"), site.start()]
    site.until_on_time()
    for _ in range(2):
        for number in range(2):
            following = site.start()
            assert generation[number].stop() == 0
            generation[number] = following
    site.until_on_time()
    site.stop_all()
    site.account()
    site.nothing_held()
    missed = [row for row in site.occurrences() if row.reason not in (None, "overlap")]
    assert missed == []
    assert {row.status for row in site.runs()} <= {"succeeded", "pending"}
    assert {row.status for row in site.workers().values()} == {"STOPPED"}


@pytest.mark.parametrize(
    ("policy", "ran"), [("skip", 0), ("run_once", 1), ("run_all", 7)], ids=["skip", "run_once", "run_all"]
)
def test_seven_fires_nobody_was_there_for_meet_the_missed_policy(policy: str, ran: int, sqlite_site: Site) -> None:
    site = sqlite_site
    site.write_app(apps.app(apps.schedule("missed", 1, "quick", missed=policy, grace="100ms")))
    site.start("--migrate")
    site.until_on_time()
    site.stop_all()
    through = site.schedule("missed").planned_through
    until(lambda: (site.now() - through).total_seconds() > 7.5, 12, "seven fires pass")
    began = len(site.occurrences())
    site.start()
    site.until_on_time()
    site.stop_all()
    site.account()
    new = site.occurrences()[began:]
    made_up = [row for row in new if row.kind == "catch_up"]
    assert len(made_up) >= ran if policy == "run_all" else len(made_up) == ran, made_up
    order = [line.occurrence for line in site.witnessed("begin") if line.occurrence in {row.id for row in made_up}]
    assert order == sorted(order)
    skipped = sum(row.count for row in new if row.reason == "missed")
    if policy == "skip":
        assert skipped >= 7
    if policy == "run_all":
        assert skipped == 0
