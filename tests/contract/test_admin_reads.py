"""What people are shown, on every database: schedules, history, runs, logs, jobs, workers, the forecast, a deploy's plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from matins.admin import audit, forecast, jobs, occurrences, requests, runs, schedules, switch, workers
from matins.admin.actor import Actor
from matins.admin.deploy_plan import deploy_plan
from matins.admin.workers import DaemonState
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import OverlapPolicy, RunStatus
from matins.domain.triggers import at, cron, every
from matins.errors import DefinitionError, NotFoundError, UsageError
from matins.ledger.definitions import set_aside_vanished
from matins.store import logs
from matins.store import schedules as stored
from matins.store import workers as stored_workers
from matins.store.logs import StoredLine
from tests.kit import START, Ledger, definition

ANN = Actor(name="ann", source="test")
JOBS = (Job(name="work", tags=("feed", "quick")), Job(name="other", command=("ls",)))


@pytest.fixture
def ledger(lasting_ledger: Ledger) -> Ledger:
    lasting_ledger.begin_anew(jobs=JOBS)
    return lasting_ledger


def orphan(ledger: Ledger, id_: str) -> None:
    ledger.store.write(lambda tx: set_aside_vanished(tx, [id_]))


def test_a_schedule_is_shown_with_its_trigger_in_words_its_zone_and_its_jobs_tags(ledger: Ledger) -> None:
    ledger.declare(
        definition("berlin", cron("0 2 * * *", tz="Europe/Berlin"), name="Nightly", description="All feeds"),
        definition("often", every(minutes=15)),
        definition("once", at("2026-04-01T00:00:00+00:00"), jobs=("other",)),
    )
    berlin, often, once = schedules.list_schedules(ledger.store)
    assert (berlin.name, berlin.trigger, berlin.timezone) == ("Nightly", "0 2 * * *", "Europe/Berlin")
    assert berlin.trigger_description == "At 02:00 every day (Europe/Berlin)"
    assert (often.trigger, often.trigger_description, often.timezone) == ("every 15m", "Every 15m", "UTC")
    assert once.trigger == "at 2026-04-01T00:00:00+00:00"
    assert (berlin.tags, once.tags) == (("feed", "quick"), ())


def test_schedules_are_found_by_text_tag_and_switch(ledger: Ledger) -> None:
    ledger.declare(
        definition("a", description="Fetch every FEED"),
        definition("b", jobs=("other",)),
        definition("c", enabled=False),
    )

    def ids(**wanted: object) -> list[str]:
        return [one.id for one in schedules.list_schedules(ledger.store, **wanted)]  # type: ignore[arg-type]

    assert ids(text="feed") == ["a"]
    assert ids(tag="quick") == ["a", "c"]
    assert ids(enabled=False) == ["c"]
    assert ids(text="nothing") == []


def test_only_what_will_run_by_itself_has_a_next_run(ledger: Ledger) -> None:
    ledger.declare(
        definition("on"),
        definition("off", enabled=False),
        definition("gone"),
        definition("torn"),
        definition("elsewhere", environments=("staging",)),
    )
    orphan(ledger, "gone")
    ledger.store.write(lambda tx: stored.quarantine(tx, "torn", "torn"))
    shown = {one.id: one for one in schedules.list_schedules(ledger.store, environment="production")}
    assert {id_ for id_, one in shown.items() if one.next_run_at is not None} == {"on"}
    assert (shown["gone"].orphaned, shown["torn"].quarantined, shown["elsewhere"].applies) == (True, True, False)


def test_a_schedule_with_an_unreadable_definition_is_shown_beside_the_others(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"), definition("c"))
    ledger.change("a", definition={"trigger": {"kind": "cron", "expression": "x"}, "jobs": ["work"]})
    ledger.change("b", definition=[])
    assert [one.id for one in schedules.list_schedules(ledger.store)] == ["a", "b", "c"]
    assert schedules.get_schedule(ledger.store, "a").upcoming == ()


def test_a_disabled_schedule_shows_when_it_would_fire(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), enabled=False, jitter_seconds=600))
    shown = schedules.get_schedule(ledger.store, "a")
    offset = timedelta(seconds=shown.jitter_offset_seconds)
    assert (shown.enabled, shown.next_run_at) == (False, None)
    assert shown.upcoming == tuple(START + timedelta(hours=hour) + offset for hour in range(10))


def test_a_schedule_just_enabled_shows_its_true_next_run(ledger: Ledger) -> None:
    ledger.declare(definition("a", cron("0 2 * * *"), enabled=False))
    switch.enable(ledger.store, ANN, "a")
    [shown] = schedules.list_schedules(ledger.store)
    assert shown.next_run_at == START.replace(day=2, hour=2)


def test_history_has_the_latest_fire_first_and_pages_stay_correct_while_rows_arrive(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    for _ in range(5):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
        ledger.finish(*ledger.claim())
    first = occurrences.history(ledger.store, "a", limit=2)
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    second = occurrences.history(ledger.store, "a", limit=2, cursor=first.next_cursor)
    third = occurrences.history(ledger.store, "a", limit=2, cursor=second.next_cursor)
    minutes = [[one.fire_at.minute for one in page.occurrences] for page in (first, second, third)]
    assert minutes == [[5, 4], [3, 2], [1]]
    assert third.next_cursor is None
    assert [run.status for run in first.occurrences[0].runs] == ["succeeded"]


def test_history_of_one_fire_time_pages_by_id(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ids = [requests.trigger(ledger.store, ANN, "a", overlap=OverlapPolicy.ALLOW).id for _ in range(3)]
    first = occurrences.history(ledger.store, "a", limit=2)
    second = occurrences.history(ledger.store, "a", limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.occurrences, *second.occurrences)] == ids[::-1]


def test_history_is_filtered_by_status_and_refuses_words_that_are_none(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
    page = occurrences.history(ledger.store, "a", statuses=["Skipped"])
    assert [one.reason for one in page.occurrences] == ["overlap"]
    for bad, fault in (
        ({"statuses": ["failled"]}, "Did you mean 'failed'"),
        ({"limit": 0}, "not from 1 to 1000"),
        ({"cursor": "nonsense"}, "cursor 'nonsense'"),
        ({"cursor": "WzFd"}, "cursor 'WzFd'"),
    ):
        with pytest.raises(UsageError, match=fault):
            occurrences.history(ledger.store, "a", **bad)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        occurrences.history(ledger.store, "b")


def test_runs_are_found_by_schedule_job_status_and_time(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", jobs=("other",)))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED, error_type="E", error_message="m", error_traceback="t")
    ledger.pass_time(minutes=1)
    ledger.plan_due()

    def found(**wanted: object) -> list[tuple[str | None, str]]:
        return [(one.schedule_id, one.status) for one in runs.list_runs(ledger.store, **wanted).runs]  # type: ignore[arg-type]

    assert sorted(found()) == [("a", "failed"), ("a", "pending"), ("b", "failed"), ("b", "pending")]
    assert found(schedule_id="a") == [("a", "pending"), ("a", "failed")]
    assert found(job="other", statuses=["failed"]) == [("b", "failed")]
    assert {status for _, status in found(since=ledger.clock.now())} == {"pending"}
    assert {status for _, status in found(until=ledger.clock.now())} == {"failed"}
    first = runs.list_runs(ledger.store, limit=3)
    rest = runs.list_runs(ledger.store, limit=3, cursor=first.next_cursor)
    assert (len(first.runs), len(rest.runs), rest.next_cursor) == (3, 1, None)


def test_a_list_leaves_out_tracebacks_and_one_run_has_everything(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [claim] = ledger.claim()
    ledger.finish(
        claim,
        status=RunStatus.FAILED,
        error_type="ValueError",
        error_message="no",
        error_traceback="Traceback …",
        exit="SIGSEGV",
        result={"items": 3},
    )
    [brief] = runs.list_runs(ledger.store).runs
    whole = runs.get_run(ledger.store, claim.id)
    assert brief.error is not None
    assert (brief.error.message, brief.error.traceback, brief.result) == ("no", None, None)
    assert whole.error is not None
    assert (whole.error.traceback, whole.exit, whole.result) == ("Traceback …", "SIGSEGV", {"items": 3})
    assert occurrences.get_occurrence(ledger.store, claim.occurrence_id).runs == (whole,)
    with pytest.raises(NotFoundError, match="no run 99999"):
        runs.get_run(ledger.store, 99999)


def test_logs_are_read_on_from_the_last_line_and_say_when_no_more_will_come(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [claim] = ledger.claim()

    def write(*numbers: int) -> None:
        lines = [
            StoredLine(number=number, at=ledger.clock.now(), stream="stdout", level=None, text=f"line {number}")
            for number in numbers
        ]
        ledger.store.write(lambda tx: logs.append(tx, [(claim.id, lines)]))

    write(1, 2)
    first = runs.read_logs(ledger.store, claim.id)
    assert ([line.text for line in first.lines], first.ended) == (["line 1", "line 2"], False)
    write(3)
    ledger.finish(claim)
    short = runs.read_logs(ledger.store, claim.id, after=first.last_number - 1, limit=1)
    assert (short.last_number, short.ended) == (2, False)
    last = runs.read_logs(ledger.store, claim.id, after=short.last_number)
    assert ([line.number for line in last.lines], last.ended) == ([3], True)


def test_jobs_are_those_of_the_code_that_runs_with_their_schedules_and_last_run(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"), definition("c", jobs=("other",)))
    ledger.worker()
    orphan(ledger, "b")
    asked = requests.run_job(ledger.store, ANN, "work")
    ledger.jobs = {"newer": Job(name="newer")}
    ledger.declare(definition("d", jobs=("newer",)))
    other, work = jobs.list_jobs(ledger.store)
    assert (work.tags, work.kind, work.schedules) == (("feed", "quick"), "function", ("a",))
    assert work.last_run is not None
    assert work.last_run.occurrence_id == asked.id
    assert (other.kind, other.schedules, other.last_run) == ("shell", ("c",), None)
    assert [job.name for job in jobs.list_jobs(ledger.store, tag="feed")] == ["work"]
    ledger.pass_time(minutes=5)
    assert [job.name for job in jobs.list_jobs(ledger.store)] == ["newer"]
    with pytest.raises(NotFoundError, match="Did you mean 'newer'"):
        jobs.get_job(ledger.store, "never")


def test_workers_show_their_uptime_and_the_age_of_their_heartbeat_by_the_databases_clock(ledger: Ledger) -> None:
    ledger.worker("old")
    ledger.pass_time(minutes=10)
    ledger.store.write(lambda tx: stored_workers.stop(tx, "old", "asked to"))
    ledger.worker("new")
    ledger.pass_time(seconds=30)
    new, old = workers.list_workers(ledger.store)
    assert (new.id, new.uptime_seconds, new.heartbeat_age_seconds, new.draining) == ("new", 30, 30, False)
    assert (old.status, old.uptime_seconds, old.stop_reason) == ("STOPPED", 600, "asked to")
    ledger.pass_time(days=2)
    assert [one.id for one in workers.list_workers(ledger.store)] == ["new"]


@pytest.mark.parametrize(
    ("age", "state"),
    [(59, DaemonState.HEALTHY), (60, DaemonState.DELAYED), (120, DaemonState.DELAYED), (121, DaemonState.DOWN)],
)
def test_the_daemon_is_as_well_as_its_freshest_heartbeat(ledger: Ledger, age: int, state: DaemonState) -> None:
    ledger.worker("a")
    ledger.pass_time(seconds=600)
    ledger.worker("b")
    ledger.pass_time(seconds=age)
    assert workers.daemon_status(ledger.store).status is state


def test_a_daemon_that_stopped_in_order_counts_as_none(ledger: Ledger) -> None:
    ledger.worker()
    ledger.store.write(lambda tx: stored_workers.stop(tx, "w1", "asked to"))
    assert workers.daemon_status(ledger.store).status is DaemonState.DOWN


def test_the_forecast_merges_the_fires_of_all_that_will_run(ledger: Ledger) -> None:
    ledger.declare(
        definition("often", every(minutes=20)),
        definition("hourly", cron("30 * * * *")),
        definition("later", cron("0 0 1 1 *")),
        definition("off", enabled=False),
    )
    found = forecast.upcoming(ledger.store, within=timedelta(hours=1))
    assert [(one.schedule_id, one.fire_at.strftime("%H:%M")) for one in found.fires] == [
        ("often", "12:20"),
        ("hourly", "12:30"),
        ("often", "12:40"),
        ("often", "13:00"),
    ]
    assert found.complete
    first = forecast.upcoming(ledger.store, within=timedelta(days=400), limit=2)
    assert ([one.schedule_id for one in first.fires], first.complete) == (["often", "hourly"], False)
    tomorrow = forecast.upcoming(ledger.store, since=START + timedelta(days=1), within=timedelta(minutes=30))
    assert [one.schedule_id for one in tomorrow.fires] == ["often", "hourly"]


def test_the_forecast_while_nobody_plans_still_has_the_earliest_fires(ledger: Ledger) -> None:
    ledger.declare(
        *(definition(f"daily-{hour}", cron(f"0 {hour} * * *")) for hour in range(13, 18)), definition("often")
    )
    ledger.pass_time(hours=8)
    found = forecast.upcoming(ledger.store, limit=2)
    assert [one.schedule_id for one in found.fires] == ["often", "often"]


def test_the_audit_is_read_newest_first_in_pages_and_by_target(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    for id_ in ("a", "b", "a"):
        switch.disable(ledger.store, ANN, id_)
        switch.enable(ledger.store, ANN, id_)
    first = audit.list_events(ledger.store, target="a", limit=3)
    rest = audit.list_events(ledger.store, target="a", limit=3, cursor=first.next_cursor)
    assert [one.action for one in (*first.events, *rest.events)] == ["enable", "disable", "enable", "disable"]
    assert [one.target for one in audit.list_events(ledger.store, action="disable", actor="ann").events] == [
        "a",
        "b",
        "a",
    ]


@dataclass
class Code:
    """Code about to be deployed."""

    wanted: tuple[ScheduleDefinition, ...]
    app: str = "shop"
    jobs: Mapping[str, Job] = field(default_factory=lambda: {job.name: job for job in JOBS})

    def schedules(self) -> Iterator[ScheduleDefinition]:
        return iter(self.wanted)


def test_a_deploys_plan_tells_what_is_new_changed_back_and_gone_and_writes_nothing(ledger: Ledger) -> None:
    ledger.declare(*(definition(id_) for id_ in ("same", "edited", "timed", "back", "gone")))
    orphan(ledger, "back")
    before = json.dumps([tuple(map(str, ledger.schedule(id_))) for id_ in ("edited", "timed", "back", "gone")])
    plan = deploy_plan(
        ledger.store,
        Code(
            (
                definition("same", defined_at="elsewhere.py:7", enabled=False),
                definition("edited", description="with one", args={"x": (1, 2)}),
                definition("timed", cron("0 2 * * *", tz="Europe/Berlin")),
                definition("back"),
                definition("new", enabled=False),
            ),
            jobs={"work": JOBS[0], "brandnew": Job(name="brandnew")},
        ),
    )
    assert [one.id for one in plan.added] == ["new"]
    edited, timed = plan.changed
    assert [(one.field, one.after) for one in edited.changes] == [
        ("description", "with one"),
        ("args", {"x": [1, 2]}),
    ]
    assert not edited.replans
    assert timed.replans
    assert [(one.before, one.after) for one in timed.changes] == [("every 1m", "0 2 * * * (Europe/Berlin)")]
    assert [one.id for one in plan.returned] == ["back"]
    assert [(one.id, one.enabled) for one in plan.removed] == [("gone", True)]
    assert (plan.unchanged, plan.empty, plan.jobs_added, plan.jobs_removed) == (1, False, ("brandnew",), ("other",))
    assert json.dumps([tuple(map(str, ledger.schedule(id_))) for id_ in ("edited", "timed", "back", "gone")]) == before


def test_a_deploy_that_changes_nothing_has_an_empty_plan(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    assert deploy_plan(ledger.store, Code((definition("a"),))).empty


def test_a_deploy_that_takes_another_applications_id_is_refused(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    with pytest.raises(DefinitionError, match="belongs to the application 'shop'"):
        deploy_plan(ledger.store, Code((definition("a"),), app="bank"))
