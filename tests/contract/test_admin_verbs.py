"""The operators' verbs, on every database: what they change, what they refuse, and the audit row each leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from matins.admin import audit, backfill, cancel, forget, pause, requests, schedules, switch
from matins.admin.actor import Actor
from matins.domain.job import Job
from matins.domain.states import MissedPolicy, OverlapPolicy, RunStatus
from matins.domain.triggers import StoredTrigger, every
from matins.errors import ConflictError, NotFoundError, UsageError
from matins.ledger.definitions import set_aside_vanished
from matins.store import installation, logs, workers
from matins.store import schedules as stored
from matins.store.logs import StoredLine
from tests.kit import START, TERMS, Ledger, definition

ANN = Actor(name="ann", source="test")
JOBS = (Job(name="work"), Job(name="other", priority=7, pool="narrow"))


@pytest.fixture
def ledger(lasting_ledger: Ledger) -> Ledger:
    lasting_ledger.begin_anew(jobs=JOBS)
    return lasting_ledger


def revision(ledger: Ledger) -> int:
    return ledger.store.read(lambda tx: installation.read_signal(tx, "shop")).revision


def actions(ledger: Ledger) -> list[tuple[str, str | None]]:
    return [(one.action, one.target) for one in reversed(audit.list_events(ledger.store).events)]


def orphan(ledger: Ledger, *ids: str) -> None:
    ledger.store.write(lambda tx: set_aside_vanished(tx, list(ids)))


def test_disabling_stops_planning_and_enabling_plans_from_then_on(ledger: Ledger) -> None:
    ledger.declare(definition("a", missed=MissedPolicy.RUN_ALL))
    assert switch.disable(ledger.store, ANN, "a", reason="noisy").enabled is False
    ledger.pass_time(minutes=5)
    ledger.plan_all()
    assert ledger.occurrences() == []
    assert switch.enable(ledger.store, ANN, "a").next_run_at == START.replace(minute=6)
    ledger.plan_all()
    assert ledger.outcomes() == [("skipped", "disabled", 5)]
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    assert ledger.outcomes()[1:] == [("pending", None, 1)]


def test_a_switch_is_audited_and_daemons_are_told_and_one_that_changes_nothing_is_neither(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    before = revision(ledger)
    switch.disable(ledger.store, ANN, "a", reason="noisy")
    switch.disable(ledger.store, ANN, "a", reason="again")
    assert revision(ledger) == before + 1
    [event] = audit.list_events(ledger.store).events
    assert (event.actor, event.source, event.action, event.target, event.reason) == (
        "ann",
        "test",
        "disable",
        "a",
        "noisy",
    )
    assert (event.before["enabled"], event.after["enabled"]) == (True, False)
    assert ledger.schedule("a").enabled_reason == "noisy"


def test_enabling_what_was_disabled_by_sql_makes_up_for_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a", missed=MissedPolicy.RUN_ALL))
    ledger.change("a", enabled=False)
    ledger.pass_time(minutes=5)
    switch.enable(ledger.store, ANN, "a")
    ledger.plan_all()
    assert ledger.outcomes() == [("skipped", "disabled", 5)]


def test_disabling_again_before_a_daemon_looked_keeps_apart_when_it_was_off_and_when_nobody_was_there(
    ledger: Ledger,
) -> None:
    ledger.declare(definition("a"))
    for verb in (switch.disable, switch.enable, switch.disable, switch.enable):
        verb(ledger.store, ANN, "a")
        ledger.pass_time(minutes=10)
    ledger.plan_all()
    assert ledger.outcomes() == [
        ("skipped", "disabled", 10),
        ("skipped", "missed", 10),
        ("skipped", "disabled", 10),
        ("skipped", "missed", 9),
        ("pending", None, 1),
    ]


def test_an_orphaned_schedule_can_neither_be_enabled_nor_run(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False))
    orphan(ledger, "a")
    for verb in (switch.enable, requests.trigger):
        with pytest.raises(ConflictError, match="orphaned: no running code has declared it since 2026-03-01 12:00"):
            verb(ledger.store, ANN, "a")
    assert actions(ledger) == []


def test_enabling_a_quarantined_schedule_tries_it_again_and_records_the_fires_of_that_time(ledger: Ledger) -> None:
    ledger.declare(definition("a", missed=MissedPolicy.RUN_ALL))
    ledger.store.write(lambda tx: stored.quarantine(tx, "a", "torn"))
    ledger.pass_time(minutes=5)
    found = switch.enable(ledger.store, ANN, "a")
    assert (found.quarantined, found.enabled) == (False, True)
    assert ledger.outcomes() == [("skipped", "quarantined", 5)]
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    assert ledger.outcomes()[1:] == [("pending", None, 1)]
    assert actions(ledger) == [("enable", "a")]


def test_a_quarantined_schedule_whose_definition_cannot_be_read_stays_so(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.store.write(lambda tx: stored.quarantine(tx, "a", "torn"))
    ledger.change("a", definition={"jobs": []})
    with pytest.raises(ConflictError, match="stays quarantined: its stored definition cannot be used"):
        switch.enable(ledger.store, ANN, "a")
    assert ledger.schedule("a").quarantined_at is not None


def test_a_trigger_runs_a_disabled_schedule_now_with_its_arguments_and_those_given(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False, args={"shop": 1, "full": False}, jobs=("work", "other")))
    asked = requests.trigger(ledger.store, ANN, "a", args={"full": True}, reason="by hand")
    assert (asked.kind, asked.fire_at, asked.jobs) == ("manual", START, ("work", "other"))
    assert (asked.args, asked.triggered_by) == ({"shop": 1, "full": True}, "ann")
    [claim] = ledger.claim()
    assert (claim.job, claim.args) == ("work", {"shop": 1, "full": True})
    [event] = audit.list_events(ledger.store).events
    assert (event.action, event.target, event.after["occurrence"]) == ("trigger", "a", asked.id)


def test_a_trigger_of_one_job_runs_that_alone_with_its_pool_and_priority(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other")))
    asked = requests.trigger(ledger.store, ANN, "a", job="other")
    assert asked.jobs == ("other",)
    [run] = ledger.runs()
    assert (run.job, run.pool, run.rank) == ("other", "narrow", -7)
    with pytest.raises(NotFoundError, match=r"no job of schedule 'a' called 'othr'.*Did you mean 'other'"):
        requests.trigger(ledger.store, ANN, "a", job="othr")


def test_a_trigger_that_meets_a_running_occurrence_is_recorded_as_skipped_unless_it_asks_to_wait(
    ledger: Ledger,
) -> None:
    ledger.declare(definition("a"))
    first = requests.trigger(ledger.store, ANN, "a")
    second = requests.trigger(ledger.store, ANN, "a")
    third = requests.trigger(ledger.store, ANN, "a", overlap=OverlapPolicy.BUFFER_ALL)
    assert first.admitted_at is not None
    assert (second.status, second.reason) == ("skipped", "overlap")
    assert (third.status, third.admitted_at) == ("pending", None)


def test_a_trigger_from_another_environment_says_where_the_schedule_applies(ledger: Ledger) -> None:
    ledger.declare(definition("a", environments=("production",)))
    with pytest.raises(ConflictError, match="applies in production, not in development"):
        requests.trigger(ledger.store, ANN, "a", environment="development")
    assert requests.trigger(ledger.store, ANN, "a", environment="production").status == "pending"


@pytest.mark.parametrize(
    ("args", "fault"), [([1], "are not an object"), ({"x": object()}, "as JSON"), ({"x": "y" * 70_000}, "the most")]
)
def test_arguments_that_cannot_be_passed_on_are_refused(args: Any, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        requests.checked_args(args)


def test_a_job_runs_without_a_schedule_and_an_unknown_one_is_named(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    asked = requests.run_job(ledger.store, ANN, "other", args={"x": 1})
    assert (asked.schedule_id, asked.jobs) == (None, ("other",))
    assert [(run.pool, run.rank) for run in ledger.runs()] == [("narrow", -7)]
    with pytest.raises(NotFoundError, match=r"no job 'wrk'\. Did you mean 'work'"):
        requests.run_job(ledger.store, ANN, "wrk")


def test_a_retry_repeats_an_ended_occurrence_with_its_fire_time_and_arguments(ledger: Ledger) -> None:
    ledger.declare(definition("a", args={"x": 1}))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    first = ledger.occurrences()[0].id
    with pytest.raises(ConflictError, match="has not ended: it is pending"):
        requests.retry(ledger.store, ANN, first)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    ledger.declare(definition("a", args={"y": 2}))
    ledger.pass_time(minutes=1)
    again = requests.retry(ledger.store, ANN, first, reason="flaky")
    assert (again.kind, again.fire_at, again.origin_id, again.args) == (
        "retry",
        START.replace(minute=1),
        first,
        {"x": 1},
    )
    assert requests.retry(ledger.store, ANN, cancel.cancel(ledger.store, ANN, again.id).id).origin_id == first
    by_hand = requests.run_job(ledger.store, ANN, "work")
    ledger.finish(*ledger.claim())
    assert requests.retry(ledger.store, ANN, by_hand.id).schedule_id is None


def test_a_skipped_fire_can_be_retried_and_a_row_of_several_is_a_case_for_backfill(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1, seconds=70)
    ledger.plan_due()
    missed, live = ledger.occurrences()
    ledger.finish(*ledger.claim())
    again = requests.retry(ledger.store, ANN, missed.id)
    assert again.jobs == ("work",)
    cancel.cancel(ledger.store, ANN, again.id)
    ledger.pass_time(minutes=30)
    ledger.plan_due()
    several = next(one for one in ledger.occurrences() if one.count > 1)
    with pytest.raises(ConflictError, match=r"stands for .* `matins backfill a "):
        requests.retry(ledger.store, ANN, several.id)
    assert live.status == "pending"


def test_a_cancel_ends_what_waits_at_once_and_admits_the_next(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    first = requests.trigger(ledger.store, ANN, "a")
    second = requests.trigger(ledger.store, ANN, "a", overlap=OverlapPolicy.BUFFER_ALL)
    done = cancel.cancel(ledger.store, Actor(name="bob", source="test"), first.id, reason="wrong one")
    assert (done.status, done.cancel_requested_by) == ("cancelled", "bob")
    assert [claim.occurrence_id for claim in ledger.claim()] == [second.id]
    with pytest.raises(ConflictError, match="has ended already: cancelled"):
        cancel.cancel(ledger.store, ANN, first.id)


def test_a_cancel_asks_what_runs_to_stop_and_asking_twice_changes_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    asked = requests.trigger(ledger.store, ANN, "a")
    ledger.claim()
    first = cancel.cancel(ledger.store, ANN, asked.id)
    assert (first.status, first.cancel_requested_at) == ("running", START)
    assert cancel.cancel(ledger.store, Actor(name="bob", source="test"), asked.id) == first
    assert actions(ledger) == [("trigger", "a"), ("cancel", "a")]


def test_an_occurrence_that_does_not_exist_is_not_found(ledger: Ledger) -> None:
    for id_ in (0, -1, 4711, 2**63):
        with pytest.raises(NotFoundError, match=f"no occurrence {id_}"):
            cancel.cancel(ledger.store, ANN, id_)


def test_a_backfill_runs_the_past_fires_of_its_range_one_at_a_time_oldest_first(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), jitter_seconds=600))
    offset = definition("a", jitter_seconds=600).jitter_offset
    made = backfill.backfill(ledger.store, ANN, "a", START - timedelta(hours=3), START)
    fires = [START - timedelta(hours=hours) + offset for hours in (3, 2, 1)]
    assert [one.fire_at for one in made.fires] == fires
    assert [row.kind for row in ledger.occurrences()] == ["backfill"] * 3
    for fire in fires:
        [claim] = ledger.claim()
        assert claim.fire_at == fire
        ledger.finish(claim)
    assert actions(ledger) == [("backfill", "a")]


def test_a_backfill_shows_what_ran_already_and_can_leave_it_out(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim())
    ledger.pass_time(minutes=3)
    shown = backfill.backfill(ledger.store, ANN, "a", START, ledger.clock.now(), dry_run=True)
    assert [one.recorded for one in shown.fires] == [None, "succeeded", None, None, None]
    assert len(ledger.occurrences()) == 1
    ledger.plan_all()
    everything = backfill.backfill(ledger.store, ANN, "a", START, ledger.clock.now(), dry_run=True)
    assert [one.recorded for one in everything.fires] == [None, "succeeded", "skipped", "skipped", "pending"]
    made = backfill.backfill(ledger.store, ANN, "a", START, ledger.clock.now(), only_missing=True)
    assert [one.planned_at.minute for one in made.fires] == [0, 2, 3]
    assert backfill.backfill(ledger.store, ANN, "a", START, ledger.clock.now(), only_missing=True).fires == ()


def test_a_backfill_refuses_what_is_to_come_reversed_or_too_much(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    hour = timedelta(hours=1)
    for start, end, fault in (
        (START, START + hour, "still to come"),
        (START, START - hour, "before it begins"),
        (START - 20 * hour, START, "more than 1000 fires; the first 1000 end at 2026-03-01 08:39:00 UTC"),
    ):
        with pytest.raises(UsageError, match=fault):
            backfill.backfill(ledger.store, ANN, "a", start, end)
    assert ledger.occurrences() == []


def test_a_backfill_refuses_times_that_a_trigger_of_ones_own_no_longer_tells(ledger: Ledger) -> None:
    trigger = StoredTrigger(type="shop:Tides", description="tides", fires=(START + timedelta(days=1),), complete=True)
    ledger.declare(definition("a", trigger))
    with pytest.raises(ConflictError, match="only known from 2026-03-02 12:00:00 UTC on"):
        backfill.backfill(ledger.store, ANN, "a", START - timedelta(days=1), START)


def test_a_pause_is_told_once_and_ends_by_resume(ledger: Ledger) -> None:
    assert pause.pause(ledger.store, ANN, reason="moving").changed
    again = pause.pause(ledger.store, Actor(name="bob", source="test"))
    assert (again.changed, again.paused, again.paused_by, again.paused_reason) == (False, True, "ann", "moving")
    assert pause.resume(ledger.store, ANN).paused is False
    assert pause.resume(ledger.store, ANN).changed is False
    assert actions(ledger) == [("pause", "installation"), ("resume", "installation")]


def test_a_drain_marks_the_worker_and_one_that_ended_is_refused(ledger: Ledger) -> None:
    ledger.worker("w1")
    assert pause.drain(ledger.store, ANN, "w1").draining
    assert pause.drain(ledger.store, ANN, "w1").draining
    assert actions(ledger) == [("drain", "w1")]
    ledger.pass_time(minutes=5)
    ledger.store.write(lambda tx: workers.declare_dead(tx, "w1", TERMS))
    with pytest.raises(ConflictError, match="has ended already: it is DEAD"):
        pause.drain(ledger.store, ANN, "w1")
    with pytest.raises(NotFoundError, match="Did you mean 'w1'"):
        pause.drain(ledger.store, ANN, "w11")


def test_forgetting_deletes_an_orphan_with_all_its_history_and_nothing_else(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_all()
        claims = ledger.claim()
        line = StoredLine(number=1, at=ledger.clock.now(), stream="stdout", level=None, text="hello")
        ledger.store.write(lambda tx, claims=claims, line=line: logs.append(tx, [(claims[0].id, [line])]))
        ledger.finish(*claims)
    orphan(ledger, "a")
    done = forget.forget(ledger.store, ANN, "a", reason="gone for good")
    assert (done.id, done.occurrences, done.run_count) == ("a", 2, 2)
    with pytest.raises(NotFoundError):
        schedules.get_schedule(ledger.store, "a")
    assert {row.schedule_id for row in ledger.occurrences()} == {row.schedule_id for row in ledger.runs()} == {"b"}
    [event] = audit.list_events(ledger.store).events
    assert (event.action, event.before["runCount"], event.before["definition"]["id"]) == ("forget", 2, "a")


def test_forgetting_is_refused_for_what_is_in_the_code_or_still_runs(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    with pytest.raises(ConflictError, match="is not orphaned"):
        forget.forget(ledger.store, ANN, "a")
    requests.trigger(ledger.store, ANN, "a")
    orphan(ledger, "a")
    with pytest.raises(ConflictError, match="which has not ended"):
        forget.forget(ledger.store, ANN, "a")
    assert len(ledger.occurrences()) == 1


def test_names_and_reasons_that_no_database_takes_are_cleaned_and_too_long_ones_refused(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    switch.disable(ledger.store, Actor(name="a\0nn\ud800" + "x" * 300, source="test"), "a", reason="be\0cause\udcff")
    [event] = audit.list_events(ledger.store).events
    assert (event.actor[:4], len(event.actor), event.reason) == ("ann?", 200, "because?")
    with pytest.raises(UsageError, match="2001 characters"):
        switch.enable(ledger.store, ANN, "a", reason="x" * 2001)
    with pytest.raises(NotFoundError):
        switch.enable(ledger.store, ANN, "a\0\ud800")
