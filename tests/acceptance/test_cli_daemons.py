"""Starting, stopping, draining and deploying daemons by the installed command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import SHOP, Running, Shop, until


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path) -> Shop:
    return Shop(folder=tmp_path, url=sqlite_url)


@pytest.fixture
def up(shop: Shop) -> Iterator[Running]:
    with shop.daemon() as daemon:
        yield daemon


def worker_states(shop: Shop) -> list[str]:
    return [one["status"] for one in shop.done("workers", "--json").json["workers"]]


def test_sigterm_lets_nothing_run_exits_0_and_says_stopped(shop: Shop, up: Running) -> None:
    up.signal(signal.SIGTERM)
    assert up.wait() == 0
    assert worker_states(shop) == ["STOPPED"]
    sick = shop.matins("health")
    assert sick.code == 1
    assert sick.out.startswith("unhealthy: No daemon is running. The last one")


def test_a_second_signal_hurries_and_the_run_is_interrupted(shop: Shop, up: Running) -> None:
    with shop.running("trigger", "obstinate", "--wait") as waiting:
        waiting.wait_for("begun")
        up.signal(signal.SIGINT)
        up.wait_for("Stopping on SIGINT")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert any("Stopping at once on a second SIGTERM" in line for line in up.lines)
        assert waiting.wait() == 1
        assert "interrupted" in waiting.lines[-1]
    assert worker_states(shop) == ["STOPPED"]


@pytest.mark.slow
def test_a_drained_worker_starts_nothing_and_another_does(shop: Shop, up: Running) -> None:
    [worker] = shop.done("workers", "--json").json["workers"]
    assert "is draining" in shop.done("drain", worker["id"]).out
    up.wait_for("Draining")
    asked = shop.done("trigger", "feed")
    assert "Every daemon is being drained" in asked.err
    with shop.daemon("daemon"):
        until(lambda: shop.history("feed")[0].status == "succeeded", "the other daemon's run")


def test_a_deploy_is_planned_then_made_and_what_vanished_can_be_forgotten(shop: Shop) -> None:
    with shop.daemon():
        shop.matins("trigger", "failing", "--wait")
    without = SHOP.replace('app.schedule("failing", cron("0 0 31 2 *"), jobs="fails")\n', "")
    shop.declare(without.replace('cron("* * * * *")', 'cron("*/5 * * * *")'))

    plan = shop.done("plan").out
    assert "- failing  is kept with its history as orphaned, and not run" in plan
    assert "trigger: * * * * * -> */5 * * * *" in plan
    assert shop.done("plan", "--json").json["removed"] == [{"id": "failing", "enabled": False}]

    refused = shop.matins("forget", "failing", "--yes")
    assert "is not orphaned" in refused.err
    with shop.daemon():
        assert "orphaned" in shop.done("schedules", "failing").out
    unasked = shop.matins("forget", "failing")
    assert unasked.code == 2
    assert "Add --yes" in unasked.err
    assert shop.done("forget", "failing", "--yes").out == "Deleted failing and 1 occurrences of it.\n"
    assert shop.matins("show", "failing").code == 1


def test_without_a_daemon_whoever_asks_is_told_that_nobody_is_there(shop: Shop) -> None:
    with shop.daemon():
        pass
    asked = shop.done("trigger", "feed")
    assert asked.err == "No daemon is alive to run it: start one by `matins daemon` or `matins up`.\n"
    with shop.running("trigger", "feed", "--overlap", "allow", "--wait") as waiting:
        waiting.wait_for("No daemon is alive")
        with shop.daemon():
            assert waiting.wait() == 0


def test_a_daemon_switched_off_says_so_and_exits_0(shop: Shop) -> None:
    alone = shop.done("daemon", SCHEDULE_DAEMON_ENABLED="false")
    assert "switched off by SCHEDULE_DAEMON_ENABLED=false" in alone.err
    together = shop.done("up", SCHEDULE_DAEMON_ENABLED="false")
    assert "leaves nothing to run" in together.err
    shop.done("migrate", "--check")


def test_a_stop_while_the_code_is_loading_ends_the_start(shop: Shop) -> None:
    shop.declare("import threading\nthreading.Event().wait()\n")
    with shop.running("up") as up:
        up.wait_for("Starting schedule daemon")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0


def test_code_that_cannot_be_loaded_ends_the_start_with_one_line(shop: Shop) -> None:
    shop.declare("raise RuntimeError('no fuse')\n")
    done = shop.matins("up")
    assert done.code == 1
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("matins: Cannot load 'shop:app'")
    assert "no fuse" in last


def test_up_on_a_plain_folder_makes_its_database_there(tmp_path: Path) -> None:
    shop = Shop(folder=tmp_path, url=None)
    with shop.daemon():
        assert shop.done("trigger", "feed", "--wait").code == 0
    assert (tmp_path / "matins.db").exists()


@pytest.mark.slow
def test_the_same_life_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    shop = Shop(folder=tmp_path, url=postgresql_url)
    assert shop.matins("migrate", "--check").code == 1
    assert "is now at schema" in shop.done("migrate").out
    assert "is already at schema" in shop.done("migrate").out
    with shop.daemon("daemon") as daemon:
        shop.done("enable", "tick")
        until(lambda: any(one.status == "succeeded" for one in shop.history("tick")), "a fire of tick")
        assert "working on monday" in shop.done("trigger", "feed", "--args", '{"day": "monday"}', "--wait").out
        assert shop.done("health").out.startswith("healthy")
        assert "PostgreSQL" in shop.done("doctor").out
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert worker_states(shop) == ["STOPPED"]
