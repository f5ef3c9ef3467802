"""The life of a small app on SQLite, by the installed command, with ``matins up`` at work all the while."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.acceptance.cli_kit import Running, Shop, until
from tests.databases.session import Databases


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(folder=tmp_path_factory.mktemp("shop"), url=databases.create("sqlite"))


@pytest.fixture(scope="module", autouse=True)
def up(shop: Shop) -> Iterator[Running]:
    with shop.daemon() as daemon:
        yield daemon


def latest(shop: Shop, schedule: str) -> int:
    return shop.history(schedule)[0].id


def test_schedules_arrive_disabled_with_the_apis_field_names(shop: Shop) -> None:
    listed = {one["id"]: one for one in shop.done("schedules", "--json").json["schedules"]}
    assert listed.keys() == {"tick", "feed", "failing", "long", "obstinate", "minutely", "nightly"}
    assert not listed["feed"]["enabled"]
    assert listed["nightly"]["timezone"] == "Europe/Berlin"
    assert {"triggerDescription", "missedPolicy", "nextRunAt", "runCount", "lastStatus"} <= listed["feed"].keys()


def test_an_enabled_schedule_runs_by_itself_and_explain_tells_each_fire(shop: Shop) -> None:
    enabled = shop.done("enable", "tick", "--reason", "spring")
    assert "tick is enabled. Next run:" in enabled.out
    until(lambda: any(one.status == "succeeded" for one in shop.history("tick")), "a fire of tick")
    assert shop.done("disable", "tick").out == "tick is disabled.\n"

    fire = next(one for one in shop.history("tick") if one.status == "succeeded")
    explained = shop.done("explain", "tick", "--at", fire.fire_at.isoformat())
    assert "It ran" in explained.out
    assert str(fire.id) in explained.out

    shown = shop.done("show", "tick").out
    assert re.search(r"^State +disabled, .* by ann$", shown, re.MULTILINE)
    assert "Next fires, were it enabled" in shown
    assert "succeeded" in shown


def test_a_time_that_is_no_fire_is_explained_and_exits_1(shop: Shop) -> None:
    done = shop.matins("explain", "nightly", "--at", "2026-01-01T12:00Z")
    assert done.code == 1
    assert "not a fire" in done.out


def test_trigger_wait_shows_the_output_and_exits_by_the_outcome(shop: Shop) -> None:
    good = shop.matins("trigger", "feed", "--args", '{"day": "monday"}', "--wait")
    assert good.code == 0
    *lines, last = good.out.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["working on monday"]
    assert re.fullmatch(r"Occurrence \d+ succeeded after \S+\.", last)

    bad = shop.matins("trigger", "failing", "--wait")
    assert bad.code == 1
    assert re.search(r"^Occurrence \d+ failed after \S+: ValueError: no feed\.$", bad.out, re.MULTILINE)


def test_the_output_of_several_jobs_names_them(shop: Shop) -> None:
    out = shop.done("trigger", "minutely", "--wait").out
    assert " work: working on today\n" in out
    assert " hello: hello\n" in out


def test_a_job_runs_without_a_schedule(shop: Shop) -> None:
    out = shop.done("run", "work", "--args", '{"day": "sunday"}', "--wait").out
    assert "working on sunday" in out
    assert shop.done("runs", "--job", "work", "--limit", "1", "--json").json["runs"][0]["scheduleId"] is None


def test_logs_tell_what_a_failed_run_printed_and_its_traceback(shop: Shop) -> None:
    shop.matins("trigger", "failing", "--wait")
    run = shop.done("runs", "--status", "failed", "--limit", "1", "--json").json["runs"][0]
    told = shop.done("logs", str(run["id"]))
    assert "about to fail" in told.out
    assert "Traceback" in told.out
    assert "failed after" in told.err
    as_json = shop.done("logs", str(run["id"]), "--json").json
    assert as_json["lines"][0]["text"] == "about to fail"
    assert as_json["run"]["error"]["type"] == "ValueError"


def test_a_run_is_followed_until_it_is_cancelled(shop: Shop) -> None:
    with shop.running("trigger", "long", "--wait") as waiting:
        waiting.wait_for("begun")
        occurrence = latest(shop, "long")
        run = shop.history("long")[0].runs[0].id
        with shop.running("logs", str(run), "--follow") as following:
            following.wait_for("begun")
            assert "asked to stop" in shop.done("cancel", str(occurrence), "--reason", "enough").out
            assert following.wait() == 0
            assert following.lines[-1].startswith("cancelled after")
        assert waiting.wait() == 1
        assert waiting.lines[-1].startswith(f"Occurrence {occurrence} cancelled after")
    again = shop.matins("cancel", str(occurrence))
    assert again.code == 1
    assert f"Occurrence {occurrence} has ended already: cancelled." in again.err


def test_ctrl_c_ends_the_waiting_quietly_and_leaves_the_run(shop: Shop) -> None:
    with shop.running("trigger", "long", "--wait") as waiting:
        waiting.wait_for("begun")
        waiting.signal(signal.SIGINT)
        assert waiting.wait() == 130
    assert "Traceback" not in "\n".join(waiting.lines)
    occurrence = shop.history("long")[0]
    assert occurrence.status == "running"
    shop.done("cancel", str(occurrence.id))


def test_retry_runs_the_same_fire_once_more(shop: Shop) -> None:
    shop.done("trigger", "feed", "--args", '{"day": "friday"}', "--wait")
    first = latest(shop, "feed")
    again = shop.done("retry", str(first), "--wait")
    assert "working on friday" in again.out
    newest = max(shop.history("feed"), key=lambda one: one.id)
    assert (newest.kind, newest.origin_id) == ("retry", first)


def test_a_dry_run_of_a_backfill_records_nothing_and_a_real_one_runs(shop: Shop) -> None:
    ask = ("backfill", "minutely", "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T00:02Z")
    tried = shop.done(*ask, "--dry-run")
    assert len(tried.out.splitlines()) == 4
    assert "3 would run" in tried.err
    assert not [one for one in shop.history("minutely") if one.kind == "backfill"]

    placed = shop.done(*ask, "--json").json["fires"]
    assert [one["fireAt"] for one in placed] == [f"2026-01-01T00:0{minute}:00Z" for minute in range(3)]
    until(
        lambda: [one.status for one in shop.history("minutely") if one.kind == "backfill"] == ["succeeded"] * 3,
        "three runs of the backfill",
    )


def test_a_pause_holds_what_is_asked_for_until_resume(shop: Shop) -> None:
    assert shop.done("pause", "--reason", "database work").out.startswith("Paused")
    assert "paused already" in shop.done("pause").out
    asked = shop.done("trigger", "feed")
    assert "The installation is paused by ann" in asked.err
    assert "paused" in shop.done("workers").err
    occurrence = latest(shop, "feed")
    assert shop.history("feed")[0].status == "pending"
    assert shop.done("resume").out == "Resumed.\n"
    until(lambda: shop.history("feed")[0].status == "succeeded", f"occurrence {occurrence}")
    assert shop.done("resume").out == "It was not paused.\n"


def test_a_running_app_is_healthy_and_in_order(shop: Shop) -> None:
    assert shop.done("health").out.startswith("healthy: 1 daemon runs")
    assert shop.done("health", "--json").json["healthy"] is True
    [worker] = shop.done("workers", "--json").json["workers"]
    assert (worker["status"], worker["app"]) == ("RUNNING", "shop")
    assert {one["name"] for one in shop.done("jobs", "--json").json["jobs"]} >= {"work", "hello"}
    assert shop.done("plan").out.startswith("Nothing would change")
    doctor = shop.done("doctor", "--json").json
    assert doctor["ok"]
    assert {one["check"] for one in doctor["checks"]} >= {"settings", "database", "schema", "clock", "app", "disk"}


def test_a_page_of_history_is_gone_on_from_by_its_cursor(shop: Shop) -> None:
    for _ in range(2):
        shop.done("trigger", "long", "--job", "lasts", "--overlap", "buffer_all")
    first = shop.done("history", "long", "--limit", "1", "--json").json
    second = shop.done("history", "long", "--limit", "1", "--cursor", first["nextCursor"], "--json").json
    ids = [page["occurrences"][0]["id"] for page in (first, second)]
    assert ids == [one.id for one in shop.history("long")[:2]]
    for id_ in ids:
        shop.done("cancel", str(id_))


def test_what_is_not_known_is_named_with_what_may_be_meant(shop: Shop) -> None:
    done = shop.matins("enable", "feed", "tikc")
    assert done.code == 1
    assert done.err == "matins: There is no schedule 'tikc'. Did you mean 'tick'? `matins schedules` lists all.\n"
    assert "feed is enabled" in done.out


def test_a_schedule_of_another_environment_says_where_it_applies(shop: Shop) -> None:
    assert "in production" in shop.done("schedules").out
    refused = shop.matins("trigger", "nightly")
    assert refused.code == 1
    assert "applies in production, not in development" in refused.err


def test_next_needs_no_code_where_the_database_knows_the_schedule(shop: Shop) -> None:
    by_code = shop.done("next", "nightly", "--json").json
    by_row = shop.done("next", "nightly", "--json", MATINS_APP="").json
    assert by_code == by_row
    assert datetime.fromisoformat(by_code["upcoming"][0]) > datetime.now(UTC)
