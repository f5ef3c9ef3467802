"""The daemon that users' tests move by hand: what it plans, runs and records."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from matins import JobContext, Matins, every, shell
from matins.errors import DefinitionError, NotFoundError, UsageError
from matins.testing import ManualDaemon, Outcome

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Start = Callable[..., ManualDaemon]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def shop(*, job: dict[str, Any] | None = None, function: Any = None, **options: Any) -> Matins:
    """One job, run every five minutes."""
    app = Matins("shop")
    app.add_job(function or (lambda: None), name="work", **(job or {}))
    app.schedule("five", every(minutes=5), jobs="work", **options)
    return app


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[ManualDaemon] = []

    def make(app: Matins, **options: Any) -> ManualDaemon:
        made.append(ManualDaemon(app, start=NOON, **options))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


def fates(daemon: ManualDaemon, schedule_id: str = "five") -> list[tuple[str, str | None, int]]:
    return [(row.status, row.reason, row.count) for row in daemon.ledger(schedule_id)]


def test_each_fire_on_the_way_runs_at_its_instant(start: Start) -> None:
    seen: list[datetime | None] = []

    def work(ctx: JobContext) -> None:
        seen.append(ctx.fire_at)

    daemon = start(shop(function=work))
    daemon.advance("16m")
    assert seen == [NOON + minutes(5), NOON + minutes(10), NOON + minutes(15)]
    assert [row.started_at for row in daemon.ledger("five")] == seen
    assert daemon.now == NOON + minutes(16)


def test_a_job_is_called_with_its_arguments_and_its_result_is_kept(start: Start) -> None:
    async def work(ctx: JobContext, shelf: int) -> dict[str, Any]:
        return {"shelf": shelf, "fence": ctx.fence}

    daemon = start(shop(function=work, args={"shelf": 3}))
    daemon.advance(NOON + minutes(5))
    [row] = daemon.ledger("five")
    assert row.runs[0].result == {"shelf": 3, "fence": row.runs[0].id}


def test_a_job_that_raises_is_tried_again_after_its_wait(start: Start) -> None:
    def work(ctx: JobContext) -> None:
        if ctx.attempt < 3:
            raise ValueError("not yet")

    daemon = start(shop(function=work, job={"retries": 2, "backoff": "30s"}))
    daemon.advance("7m")
    [row] = daemon.ledger("five")
    assert [(run.status, run.started_at) for run in row.runs] == [
        ("failed", NOON + minutes(5)),
        ("failed", NOON + minutes(5.5)),
        ("succeeded", NOON + minutes(6.5)),
    ]
    assert row.runs[0].error is not None
    assert (row.runs[0].error.type, row.runs[0].error.message) == ("ValueError", "not yet")


def test_a_job_that_exits_fails_and_the_test_goes_on(start: Start) -> None:
    def work() -> None:
        raise SystemExit(0)

    daemon = start(shop(function=work))
    daemon.advance("5m")
    assert fates(daemon) == [("failed", None, 1)]


def test_a_run_that_takes_longer_than_the_interval_makes_the_next_fire_a_skip(start: Start) -> None:
    daemon = start(shop(), jobs={"work": Outcome(takes="7m")})
    daemon.advance("17m")
    assert fates(daemon) == [("succeeded", None, 1), ("skipped", "overlap", 1), ("running", None, 1)]
    assert daemon.ledger("five")[0].finished_at == NOON + minutes(12)


def test_a_run_that_ends_at_the_instant_of_the_next_fire_has_ended(start: Start) -> None:
    daemon = start(shop(), jobs={"work": Outcome(takes="5m")})
    daemon.advance("15m")
    assert fates(daemon) == [("succeeded", None, 1), ("succeeded", None, 1), ("running", None, 1)]


def test_a_fire_that_waits_starts_when_the_run_before_it_ends(start: Start) -> None:
    daemon = start(shop(overlap="buffer_one"), jobs={"work": Outcome(takes="7m")})
    daemon.advance("12m")
    assert daemon.ledger("five")[1].started_at == NOON + minutes(12)


def test_a_newer_fire_cancels_the_run_where_the_schedule_says_so(start: Start) -> None:
    daemon = start(shop(overlap="cancel_running"), jobs={"work": Outcome(takes="7m")})
    daemon.advance("10m")
    assert fates(daemon) == [("cancelled", "cancelled", 1), ("running", None, 1)]


def test_a_timeout_ends_a_run_that_would_take_longer(start: Start) -> None:
    daemon = start(shop(job={"timeout": "2m"}), jobs={"work": Outcome(takes="3m")})
    daemon.advance("9m")
    [row] = daemon.ledger("five")
    assert (row.status, row.runs[0].status, row.finished_at) == ("failed", "timed_out", NOON + minutes(7))


def test_a_fire_that_finds_no_room_is_given_up_when_it_waited_too_long(start: Start) -> None:
    app = shop(start_within="1m")
    app.schedule("also", every(minutes=5), jobs="work", start_within="1m")
    daemon = start(app, jobs={"work": Outcome(takes="3m")}, concurrency=1)
    daemon.advance("6m")
    assert sorted(fates(daemon, "five") + fates(daemon, "also"), key=str) == [
        ("running", None, 1),
        ("skipped", "start_within", 1),
    ]


def test_a_pool_holds_up_what_it_has_no_room_for(start: Start) -> None:
    app = shop(job={"pool": "printer"})
    app.pool("printer", limit=1)
    app.schedule("also", every(minutes=5), jobs="work")
    daemon = start(app, jobs={"work": Outcome(takes="2m")})
    daemon.advance("9m")
    assert sorted(row.finished_at for id_ in ("five", "also") for row in daemon.ledger(id_) if row.finished_at) == [
        NOON + minutes(7),
        NOON + minutes(9),
    ]


def test_a_stand_in_may_decide_by_the_attempt(start: Start) -> None:
    def work(ctx: JobContext) -> Outcome:
        return Outcome(error="down", takes="10s") if ctx.attempt == 1 else Outcome(result=[1])

    daemon = start(shop(job={"retries": 1, "backoff": "20s"}), jobs={"work": work})
    daemon.advance("6m")
    first, second = daemon.ledger("five")[0].runs
    assert first.error is not None
    assert (first.status, first.error.message, first.duration_ms) == ("failed", "down", 10_000)
    assert (second.result, second.started_at) == ([1], NOON + minutes(5.5))


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", {("skipped", "missed"): 12}),
        ("run_once", {("skipped", "coalesced"): 11, ("succeeded", None): 1}),
        ("run_all", {("succeeded", None): 12}),
    ],
)
def test_what_was_missed_while_offline_follows_its_policy(start: Start, missed: str, expected: dict[Any, int]) -> None:
    daemon = start(shop(missed=missed))
    daemon.offline("1h2m")
    counted: Counter[Any] = Counter()
    for status, reason, count in fates(daemon):
        counted[status, reason] += count
    assert counted == expected


def test_what_ran_when_the_daemon_was_stopped_is_interrupted(start: Start) -> None:
    daemon = start(shop(), jobs={"work": Outcome(takes="4m")})
    daemon.advance("6m")
    daemon.offline("2m")
    [row] = daemon.ledger("five")
    assert (row.status, row.finished_at) == ("interrupted", NOON + minutes(6))


def test_what_ran_when_the_daemon_died_is_lost_and_begun_again_where_it_may_be(start: Start) -> None:
    daemon = start(shop(), jobs={"work": Outcome(takes="4m")})
    daemon.advance("6m")
    daemon.offline("2m", crashed=True)
    assert fates(daemon) == [("lost", None, 1)]
    again = start(shop(job={"on_lost": "retry"}), jobs={"work": Outcome(takes="1m")})
    again.advance("5m")
    again.offline("30s", crashed=True)
    again.advance("2m")
    assert [run.status for run in again.ledger("five")[0].runs] == ["lost", "succeeded"]


def test_fires_while_a_schedule_is_off_are_recorded_as_that(start: Start) -> None:
    daemon = start(shop())
    daemon.advance("5m")
    daemon.disable("five")
    daemon.advance("20m")
    assert fates(daemon) == [("succeeded", None, 1)]
    daemon.enable("five")
    daemon.advance("5m")
    assert fates(daemon) == [("succeeded", None, 1), ("skipped", "disabled", 4), ("succeeded", None, 1)]


def test_only_the_schedules_named_are_enabled(start: Start) -> None:
    app = shop()
    app.schedule("also", every(minutes=5), jobs="work")
    daemon = start(app, enabled=["also"])
    daemon.advance("10m")
    assert fates(daemon) == []
    assert len(fates(daemon, "also")) == 2


def test_a_schedule_of_another_environment_is_not_planned(start: Start) -> None:
    app = shop(environments=["staging"])
    here, there = start(app), start(app, environment="staging")
    here.advance("5m")
    there.advance("5m")
    assert (len(here.ledger("five")), len(there.ledger("five"))) == (0, 1)


def test_a_schedule_runs_when_asked_to_with_other_arguments(start: Start) -> None:
    def work(shelf: int) -> int:
        return shelf

    daemon = start(shop(function=work, args={"shelf": 1}), enabled=[])
    asked = daemon.trigger("five", args={"shelf": 2})
    assert (asked.kind, asked.status, asked.runs[0].result) == ("manual", "succeeded", 2)


def test_a_trigger_of_the_users_own_goes_on_past_what_was_stored_of_it(start: Start) -> None:
    class Minutely:
        def next_after(self, instant: datetime) -> datetime | None:
            return NOON + ((instant - NOON) // minutes(1) + 1) * minutes(1)

    app = shop()
    app.schedule("own", Minutely(), jobs="work")
    daemon = start(app, enabled=["own"], jobs={"work": Outcome()})
    daemon.advance("10m")
    daemon.offline("4h")
    daemon.advance("1m")
    assert sum(row.count for row in daemon.ledger("own")) == 251
    assert fates(daemon, "own")[-1] == ("succeeded", None, 1)


def test_the_same_test_twice_has_the_same_ledger(start: Start) -> None:
    def told() -> list[Any]:
        daemon = start(shop(job={"retries": 3}, jitter="1m"), jobs={"work": Outcome(error="down", takes="9s")})
        daemon.advance("30m")
        return [(row.fire_at, [(run.started_at, run.finished_at) for run in row.runs]) for row in daemon.ledger("five")]

    assert told() == told()


def test_time_does_not_go_back(start: Start) -> None:
    with pytest.raises(UsageError, match="is over"):
        start(shop()).advance(NOON - minutes(1))


def test_what_the_app_does_not_declare_is_refused(start: Start) -> None:
    for options in ({"enabled": ["fivr"]}, {"jobs": {"wrok": Outcome()}}):
        with pytest.raises(NotFoundError, match=r"fivr|wrok"):
            start(shop(), **options)
    with pytest.raises(UsageError, match="neither"):
        start(shop(), enabled="five")
    with pytest.raises(NotFoundError, match="fivr"):
        start(shop()).ledger("fivr")
    with pytest.raises(DefinitionError):
        start(shop(overlap="sometimes"))


def test_a_shell_command_is_not_run_for_a_test(start: Start, tmp_path: Path) -> None:
    app = Matins("shop")
    app.add_job(shell(["touch", str(tmp_path / "made")]), name="touch")
    app.schedule("five", every(minutes=5), jobs="touch")
    with pytest.raises(UsageError, match="shell command"):
        start(app)
    daemon = start(app, jobs={"touch": Outcome()})
    daemon.advance("5m")
    assert fates(daemon) == [("succeeded", None, 1)]
    assert not (tmp_path / "made").exists()


def test_no_thread_is_left_and_the_ledger_is_deleted() -> None:
    before = threading.active_count()
    with ManualDaemon(shop(), start=NOON) as daemon:
        daemon.advance("5m")
        file = Path(str(daemon._store.url.database))
        assert file.exists()
        assert threading.active_count() == before
    assert not file.parent.exists()
