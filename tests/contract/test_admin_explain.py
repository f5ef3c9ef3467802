"""What became of a fire time, and why, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from matins.admin import backfill, cancel, pause, requests, switch
from matins.admin.actor import Actor
from matins.admin.explain import explain
from matins.admin.explained import Explanation, Fate
from matins.domain.job import Backoff, Job
from matins.domain.states import MissedPolicy, OverlapPolicy, RunStatus, WorkerId
from matins.domain.triggers import StoredTrigger, cron, every
from matins.errors import NotFoundError, UsageError
from matins.ledger.definitions import set_aside_vanished
from matins.store import retention, schedules, workers
from tests.kit import START, TERMS, Ledger, definition

ANN = Actor(name="ann", source="test")
FIRST = START.replace(minute=1)


@pytest.fixture
def ledger(lasting_ledger: Ledger) -> Ledger:
    lasting_ledger.begin_anew(jobs=(Job(name="work"), Job(name="other")))
    return lasting_ledger


def ask(ledger: Ledger, at: datetime = FIRST, id_: str = "a") -> Explanation:
    return explain(ledger.store, id_, at)


def evidence(answer: Explanation) -> str:
    return " ".join(one.what for one in answer.evidence)


def test_a_fire_that_succeeded_ran(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    claims = ledger.claim()
    ledger.pass_time(seconds=2)
    ledger.finish(*claims)
    answer = ask(ledger)
    assert (answer.fate, answer.ran, answer.planned_at) == (Fate.RAN, True, FIRST)
    assert "it started at" in answer.sentence
    assert "and succeeded after" in answer.sentence
    assert "job 'work', attempt 1: succeeded; worker w1" in evidence(answer)
    assert answer.occurrence is not None
    assert answer.occurrence.runs[0].status == "succeeded"


def test_a_fire_that_failed_ran_and_its_error_is_evidence(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED, error_type="ValueError", error_message="no\nmore")
    answer = ask(ledger)
    assert answer.ran
    assert "and failed after" in answer.sentence
    assert "ValueError: no;" in evidence(answer)


def test_a_fire_between_two_attempts_tells_when_the_next_may_begin(ledger: Ledger) -> None:
    ledger.jobs["work"] = Job(name="work", retries=1, backoff=Backoff(initial_seconds=90, jitter=0))
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    answer = ask(ledger)
    assert answer.ran
    assert "waits for attempt 2 of job 'work', not before 2026-03-01 12:02:30 UTC" in answer.sentence


def test_a_fire_under_way_ran_and_one_that_waits_for_a_slot_has_not(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    waiting = ask(ledger)
    assert (waiting.fate, waiting.ran) == (Fate.WAITING, False)
    assert "No daemon of application 'shop' is running: none was ever seen." in evidence(waiting)
    ledger.claim()
    assert ask(ledger).ran
    assert "still running" in ask(ledger).sentence


def test_a_fire_that_waits_for_its_predecessor_names_it(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.BUFFER_ONE))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
        ledger.claim()
    answer = ask(ledger, FIRST + timedelta(minutes=1))
    assert answer.fate is Fate.WAITING
    assert "waits until an earlier occurrence" in answer.sentence
    assert f"Occurrence {ledger.occurrences()[0].id} (scheduled, 2026-03-01 12:01:00 UTC)" in evidence(answer)


def test_a_fire_skipped_for_overlap_names_the_occurrence_in_its_way(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
    answer = ask(ledger, FIRST + timedelta(minutes=1))
    assert (answer.fate, answer.reason, answer.ran) == (Fate.SKIPPED, "overlap", False)
    assert f"Occurrence {ledger.occurrences()[0].id} " in evidence(answer)


def test_a_fire_within_a_range_that_was_missed_is_told_with_the_range_and_the_absence(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=30)
    ledger.plan_due()
    answer = ask(ledger, START.replace(minute=7))
    assert (answer.fate, answer.reason, answer.ran) == (Fate.SKIPPED, "missed", False)
    assert "stands for 29 fires" in evidence(answer)
    assert "No daemon was running then: no earlier one is on record, none has started since." in evidence(answer)
    assert ask(ledger, START.replace(minute=7, second=30)).fate is Fate.NOT_A_FIRE


def test_a_missed_fire_that_a_later_run_stands_for_names_that_run(ledger: Ledger) -> None:
    ledger.declare(definition("a", missed=MissedPolicy.RUN_ONCE))
    ledger.pass_time(minutes=3, seconds=5)
    ledger.plan_due()
    answer = ask(ledger)
    assert answer.reason == "coalesced"
    assert f"Occurrence {ledger.occurrences()[-1].id} (scheduled, 2026-03-01 12:03:00 UTC) stands for it" in evidence(
        answer
    )


def test_a_missed_fire_while_a_daemon_ran_says_that_it_did(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.worker("w7")
    ledger.pass_time(minutes=5)
    ledger.store.write(lambda tx: workers.renew(tx, "w7", TERMS, next_wake_at=None, running=0))
    ledger.plan_due()
    assert "Worker w7 on host was running then" in evidence(ask(ledger))


def test_an_instant_that_is_no_fire_names_its_neighbours(ledger: Ledger) -> None:
    ledger.declare(definition("a", cron("0 2 * * MON")))
    answer = ask(ledger, datetime.fromisoformat("2026-03-04T09:30:00+00:00"))
    assert (answer.fate, answer.ran) == (Fate.NOT_A_FIRE, False)
    assert answer.before == datetime.fromisoformat("2026-03-02T02:00:00+00:00")
    assert answer.after == datetime.fromisoformat("2026-03-09T02:00:00+00:00")
    assert "the one before is 2026-03-02 02:00:00 UTC, the next 2026-03-09 02:00:00 UTC" in answer.sentence


def test_a_trigger_that_never_fires_has_no_neighbours(ledger: Ledger) -> None:
    ledger.declare(definition("a", cron("0 0 31 2 *")))
    answer = ask(ledger)
    assert (answer.fate, answer.before, answer.after) == (Fate.NOT_A_FIRE, None, None)


def test_a_fire_to_come_is_predicted_and_a_pause_is_told(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    pause.pause(ledger.store, ANN, reason="moving house")
    answer = ask(ledger)
    assert (answer.fate, answer.ran) == (Fate.TO_COME, False)
    assert "in 1m" in answer.sentence
    assert 'paused by ann ("moving house")' in evidence(answer)


def test_a_due_fire_that_nobody_planned_says_since_when_no_daemon_runs_and_what_will_become_of_it(
    ledger: Ledger,
) -> None:
    ledger.declare(definition("a"))
    ledger.worker()
    ledger.pass_time(minutes=10)
    answer = ask(ledger)
    assert (answer.fate, answer.ran) == (Fate.OVERDUE, False)
    assert "It is due for 9m" in answer.sentence
    assert "it will be recorded as missed" in answer.sentence
    assert "the last heartbeat was at 2026-03-01 12:00:00 UTC" in evidence(answer)


def test_a_due_fire_while_a_daemon_runs_names_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.worker()
    assert "w1 on host. It should be planned at any moment." in evidence(ask(ledger))


def test_a_due_fire_while_the_only_daemon_is_wedged_or_drained_says_so(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.worker()
    ledger.store.write(lambda tx: workers.renew(tx, WorkerId("w1"), TERMS, next_wake_at=START, running=0))
    pause.drain(ledger.store, ANN, "w1")
    ledger.pass_time(seconds=90)
    ledger.store.write(lambda tx: workers.renew(tx, WorkerId("w1"), TERMS, next_wake_at=START, running=0))
    told = evidence(ask(ledger))
    assert "Worker w1 announced to look then and has not: it seems wedged." in told
    assert "Every daemon that runs is being drained" in told


def test_a_due_fire_that_the_running_code_does_not_know_says_so(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.declare(definition("b"))
    ledger.pass_time(minutes=1)
    ledger.worker()
    assert "None of the daemons that run plans this schedule" in evidence(ask(ledger))


def test_a_disabled_schedule_names_who_disabled_it_since_when_and_why(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(seconds=30)
    switch.disable(ledger.store, ANN, "a", reason="noisy")
    ahead = ask(ledger)
    assert ahead.fate is Fate.DISABLED
    assert "it will not run unless it is enabled before" in ahead.sentence
    ledger.pass_time(minutes=5)
    answer = ask(ledger)
    assert (answer.fate, answer.ran) == (Fate.DISABLED, False)
    assert "disabled since 2026-03-01 12:00:30 UTC, so it did not run" in answer.sentence
    assert 'It was disabled by ann ("noisy").' in evidence(answer)


def test_a_fire_of_a_disabled_range_is_told_before_and_after_the_daemon_recorded_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    switch.disable(ledger.store, ANN, "a", reason="noisy")
    ledger.pass_time(minutes=5)
    switch.enable(ledger.store, Actor(name="bob", source="test"), "a")
    before = ask(ledger, START.replace(minute=3))
    assert before.fate is Fate.DISABLED
    assert "It was enabled by bob" in evidence(before)
    ledger.plan_all()
    after = ask(ledger, START.replace(minute=3))
    assert (after.fate, after.reason) == (Fate.DISABLED, "disabled")
    assert 'It was disabled by ann ("noisy").' in evidence(after)


def test_a_schedule_that_arrived_disabled_says_that_nobody_enabled_it(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False))
    ledger.pass_time(minutes=5)
    assert "It arrived disabled, and nobody had enabled it yet." in evidence(ask(ledger))


def test_a_time_before_the_schedule_existed_says_when_it_was_first_deployed(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    answer = ask(ledger, START - timedelta(days=3))
    assert answer.fate is Fate.BEFORE_SCHEDULE
    assert "first deployed at 2026-03-01 12:00:00 UTC" in answer.sentence


def test_a_schedule_that_left_the_code_is_told_as_orphaned(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1, seconds=30)
    ledger.store.write(lambda tx: set_aside_vanished(tx, ["a"]))
    ledger.pass_time(minutes=5)
    recorded, unrecorded = ask(ledger), ask(ledger, START.replace(minute=4))
    assert (recorded.fate, recorded.reason) == (Fate.ORPHANED, "not_in_code")
    assert unrecorded.fate is Fate.ORPHANED
    assert "since 2026-03-01 12:01:30 UTC" in unrecorded.sentence


def test_a_quarantined_schedule_tells_what_is_wrong_with_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.store.write(lambda tx: schedules.quarantine(tx, "a", "its definition is torn"))
    ledger.pass_time(minutes=5)
    answer = ask(ledger)
    assert answer.fate is Fate.QUARANTINED
    assert "its definition is torn" in answer.sentence


def test_an_unreadable_definition_is_told_and_does_not_raise(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.change("a", definition={"jobs": 7})
    assert ask(ledger).fate is Fate.QUARANTINED


def test_a_pruned_fire_is_told_with_the_totals_of_its_day(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim())
    ledger.pass_time(days=100)
    ledger.store.write(lambda tx: retention.prune_occurrences(tx, timedelta(days=90)))
    answer = ask(ledger)
    assert (answer.fate, answer.ran) == (Fate.PRUNED, False)
    assert [(one.status, one.count) for one in answer.pruned] == [("succeeded", 1)]


def test_a_schedule_of_another_environment_says_where_it_applies(ledger: Ledger) -> None:
    ledger.declare(definition("a", environments=("staging", "test")))
    ledger.pass_time(minutes=1)
    ledger.worker()
    by_workers = ask(ledger)
    asked = explain(ledger.store, "a", FIRST, environment="development")
    assert by_workers.fate is asked.fate is Fate.OTHER_ENVIRONMENT
    assert "applies in staging and test, not in production" in by_workers.sentence
    assert "not in development" in asked.sentence
    assert explain(ledger.store, "a", FIRST, environment="staging").fate is Fate.OVERDUE


def test_the_time_with_jitter_is_understood_as_well_as_the_planned_one(ledger: Ledger) -> None:
    jittered = definition("a", every(hours=1), jitter_seconds=600)
    assert jittered.jitter_offset.microseconds
    ledger.declare(jittered)
    ledger.pass_time(hours=2)
    planned = START + timedelta(hours=1)
    fires_at = planned + jittered.jitter_offset
    for at in (planned, fires_at, fires_at.replace(microsecond=0)):
        assert (ask(ledger, at).fate, ask(ledger, at).planned_at) == (Fate.OVERDUE, planned)
    ledger.plan_all()
    for at in (planned, fires_at, fires_at.replace(microsecond=0)):
        answer = ask(ledger, at)
        assert (answer.reason, answer.planned_at, answer.fire_at) == ("missed", planned, fires_at)
    assert ask(ledger, fires_at + timedelta(seconds=1)).fate is Fate.NOT_A_FIRE


def test_a_missed_fire_that_was_backfilled_ran_after_all(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=3)
    ledger.plan_all()
    assert not ask(ledger).ran
    ledger.finish(*ledger.claim())
    backfill.backfill(ledger.store, ANN, "a", FIRST, FIRST)
    ledger.finish(*ledger.claim())
    answer = ask(ledger)
    assert (answer.reason, answer.ran) == ("missed", True)
    assert "(backfill, asked for by ann) with that time: succeeded." in answer.sentence


def test_a_run_by_hand_is_told_though_its_time_is_no_fire(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(seconds=17)
    requests.trigger(ledger.store, ANN, "a")
    ledger.claim()
    answer = ask(ledger, START.replace(second=17))
    assert (answer.fate, answer.ran) == (Fate.NOT_A_FIRE, True)
    assert "(manual, asked for by ann) with that time: running." in answer.sentence


def test_a_fire_that_was_cancelled_while_it_waited_names_who_did_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    cancel.cancel(ledger.store, ANN, ledger.occurrences()[0].id)
    answer = ask(ledger)
    assert not answer.ran
    assert "cancelled" in answer.sentence
    assert "by ann" in evidence(answer)


def test_fires_of_a_former_trigger_keep_their_rows_and_times_it_did_not_have_are_told(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(minutes=2)))
    ledger.pass_time(minutes=5)
    ledger.declare(definition("a", every(minutes=3)))
    assert ask(ledger, START.replace(minute=4)).reason == "superseded"
    assert ask(ledger, START.replace(minute=3)).fate is Fate.NOT_RECORDED
    assert "stands for 2 fires" in evidence(ask(ledger, START.replace(minute=3)))
    old = ask(ledger, START.replace(minute=2))
    assert old.fate is Fate.NOT_A_FIRE
    assert "stands for 2 fires" in evidence(old)


def test_a_range_recorded_before_its_description_was_changed_is_still_told(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=30)
    ledger.plan_due()
    ledger.declare(definition("a", description="now with one"))
    assert ask(ledger, START.replace(minute=7)).reason == "missed"


def test_past_times_of_a_trigger_of_ones_own_are_told_as_not_known(ledger: Ledger) -> None:
    fires = tuple(START + timedelta(hours=hour) for hour in (1, 2))
    ledger.declare(definition("a", StoredTrigger(type="shop:Tides", description="tides", fires=fires, complete=False)))
    assert ask(ledger, fires[0]).fate is Fate.TO_COME
    before = ask(ledger, START - timedelta(days=1))
    assert before.fate is Fate.NOT_RECORDED
    assert "cannot be told" in before.sentence


def test_a_schedule_that_does_not_exist_is_not_found_and_a_near_one_is_named(ledger: Ledger) -> None:
    ledger.declare(definition("feed-refresh"))
    with pytest.raises(NotFoundError, match="Did you mean 'feed-refresh'"):
        ask(ledger, id_="feed-refrsh")


def test_a_time_beyond_all_reason_is_refused(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    with pytest.raises(UsageError, match="outside the years"):
        ask(ledger, datetime.fromisoformat("9999-12-31T23:59:59+00:00"))
