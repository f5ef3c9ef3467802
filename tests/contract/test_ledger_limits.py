"""What bounds a run: waiting for a slot, an occurrence's time, pools, priorities, and claims given back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from matins.domain.job import Job
from matins.domain.states import RunStatus
from matins.ledger import recovery
from matins.ledger.settle import Settlement
from matins.ledger.turn import Work
from matins.store import versions
from matins.store.engine import Tx
from matins.store.tables import app_version
from tests.kit import Ledger, definition


def plan_minute(ledger: Ledger) -> None:
    ledger.pass_time(minutes=1)
    ledger.plan_all()


def end_expired(ledger: Ledger) -> Settlement:
    def work(tx: Tx) -> Settlement:
        return recovery.settle_all(tx, recovery.expired(tx), ledger.jobs, chance=lambda: 0.5)

    return ledger.store.write(work)


def set_pool(ledger: Ledger, **pools: int) -> None:
    ledger.store.write(lambda tx: versions.set_pools(tx, "shop", pools))


def test_an_occurrence_that_waits_too_long_for_a_slot_is_skipped_with_the_reason(ledger: Ledger) -> None:
    ledger.declare(definition("a", start_within_seconds=30))
    plan_minute(ledger)
    ledger.pass_time(seconds=29)
    assert end_expired(ledger).ended == []
    ledger.pass_time(seconds=1)
    [ended] = end_expired(ledger).ended
    assert ended.status == "skipped"
    assert ledger.outcomes() == [("skipped", "start_within", 1)]
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count) == (0, 0)


def test_one_that_waited_too_long_is_refused_to_its_claimer(ledger: Ledger) -> None:
    ledger.declare(definition("a", start_within_seconds=30))
    plan_minute(ledger)
    ledger.pass_time(seconds=30)
    assert ledger.claim() == []
    assert ledger.outcomes() == [("skipped", "start_within", 1)]


def test_one_that_started_in_time_is_held_to_nothing_more(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable", "work"), start_within_seconds=30))
    plan_minute(ledger)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    ledger.pass_time(minutes=5)
    assert end_expired(ledger).ended == []
    claimed = ledger.claim()
    assert claimed


def test_parallel_jobs_of_an_occurrence_that_started_in_time_are_held_to_nothing_more(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other"), parallel=2, start_within_seconds=30))
    plan_minute(ledger)
    [first] = ledger.claim(limit=1)
    ledger.pass_time(minutes=5)
    assert end_expired(ledger).recorded == []
    [second] = ledger.claim()
    ledger.finish(first)
    [ended] = ledger.finish(second).ended
    assert ended.status == "succeeded"


def test_all_jobs_of_an_occurrence_that_waited_too_long_are_skipped(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other"), start_within_seconds=30))
    plan_minute(ledger)
    ledger.pass_time(minutes=1)
    while end_expired(ledger).recorded:
        pass
    assert ledger.claim() == []
    assert ledger.outcomes() == [("skipped", "start_within", 1)]
    assert {(run.status, run.reason) for run in ledger.runs()} == {("skipped", "start_within")}


def test_a_claim_tells_when_the_time_of_its_occurrence_is_over(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",), timeout_seconds=100))
    plan_minute(ledger)
    [first] = ledger.claim()
    began = ledger.clock.now()
    ledger.finish(first, status=RunStatus.FAILED)
    ledger.pass_time(seconds=30)
    [second] = ledger.claim()
    over_at = began + timedelta(seconds=100)
    assert (first.deadline, second.deadline) == (over_at, over_at), "counted from its first start"


def test_no_attempt_begins_after_the_time_of_the_occurrence(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",), timeout_seconds=40))
    plan_minute(ledger)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    ledger.pass_time(seconds=40)
    assert ledger.claim() == []
    assert ledger.outcomes() == [("failed", "timed_out", 1)]
    assert ledger.schedule("a").failure_count == 1


def test_a_run_that_times_out_with_its_occurrence_is_not_tried_again(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",), timeout_seconds=40))
    plan_minute(ledger)
    [claim] = ledger.claim()
    ledger.pass_time(seconds=40)
    [ended] = ledger.finish(claim, status=RunStatus.TIMED_OUT).ended
    assert ended.status == "failed"
    assert ledger.outcomes() == [("failed", "timed_out", 1)]


def test_a_success_recorded_after_the_time_of_its_occurrence_is_a_success(ledger: Ledger) -> None:
    ledger.declare(definition("a", timeout_seconds=40))
    plan_minute(ledger)
    [claim] = ledger.claim()
    ledger.pass_time(minutes=10)
    [ended] = ledger.finish(claim).ended
    assert ended.status == "succeeded"


def test_higher_priority_goes_first_then_whoever_waited_longest(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", jobs=("urgent",)), definition("c"))
    ledger.change("a", next_run_at=None)
    plan_minute(ledger)
    ledger.change("a", next_run_at=ledger.clock.now())
    ledger.pass_time(seconds=10)
    ledger.plan_all()
    order = [ledger.claim(limit=1)[0].schedule_id for _ in range(3)]
    assert order == ["b", "c", "a"]


def test_a_pool_bounds_what_runs_at_once_across_claimers(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"a{n}", jobs=("pooled",)) for n in range(5)))
    set_pool(ledger, narrow=2)
    plan_minute(ledger)
    first = ledger.claim(pools=("narrow",), worker="w1")
    assert len(first) == 2
    assert ledger.claim(pools=("narrow",), worker="w2") == []
    ledger.finish(first[0])
    assert len(ledger.claim(pools=("narrow",), worker="w2")) == 1


def test_runs_that_wait_for_a_full_pool_do_not_hold_up_the_others(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"a{n}", jobs=("pooled",)) for n in range(5)), definition("z"))
    set_pool(ledger, narrow=1)
    plan_minute(ledger)
    first = ledger.claim(limit=2, pools=("narrow",))
    second = ledger.claim(limit=2, pools=("narrow",))
    assert [claim.job for claim in first + second] == ["pooled", "work"]


def test_runs_of_a_pool_that_newer_code_no_longer_declares_run_and_hold_up_nobody(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"a{n}", jobs=("pooled",)) for n in range(3)), definition("z"))
    set_pool(ledger, narrow=1)
    plan_minute(ledger)
    ran = []
    for _ in range(4):
        claimed = ledger.claim(limit=2, pools=("wide",))
        ran += [claim.job for claim in claimed]
        assert [claim.job for claim in claimed].count("pooled") <= 1, "its last size still holds"
        ledger.finish(*claimed)
    assert sorted(ran) == ["pooled", "pooled", "pooled", "work"]


def test_a_pool_of_no_size_runs_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("pooled",)))
    set_pool(ledger, narrow=0)
    plan_minute(ledger)
    assert ledger.claim(pools=("narrow",)) == []


def test_the_newest_code_sets_the_size_of_a_pool(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"a{n}", jobs=("pooled",)) for n in range(5)))
    set_pool(ledger, narrow=1)
    set_pool(ledger, narrow=4)
    plan_minute(ledger)
    assert len(ledger.claim(pools=("narrow",))) == 4


def test_a_claim_that_was_not_begun_goes_back_and_is_claimed_anew(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    plan_minute(ledger)
    [claim] = ledger.claim()
    done = ledger.turn(Work(app="shop", worker_id="w1", returns={claim.id: claim.claim_token}))
    assert done.returned == 1
    [run] = ledger.runs()
    assert (run.status, run.worker_id, run.claim_token, run.started_at) == ("pending", None, None, None)
    [again] = ledger.claim(worker="w2")
    assert again.claim_token != claim.claim_token
    assert ledger.finish(claim).late
    assert ledger.finish(again).ended


def test_what_is_given_back_leaves_nothing_running_or_locked(ledger: Ledger) -> None:
    ledger.declare(definition("a", timeout_seconds=100, start_within_seconds=600))
    plan_minute(ledger)
    [claim] = ledger.claim()
    ledger.turn(Work(app="shop", worker_id="w1", returns={claim.id: claim.claim_token}))
    [row] = ledger.occurrences()
    schedule = ledger.schedule("a")
    assert (row.status, row.started_at, row.worker_id) == ("pending", None, None)
    assert (schedule.locked_at, schedule.locked_by) == (None, None)
    ledger.pass_time(minutes=5)
    [again] = ledger.claim(worker="w2")
    assert again.deadline == ledger.clock.now() + timedelta(seconds=100)


def test_another_claim_is_not_given_back(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    plan_minute(ledger)
    [claim] = ledger.claim()
    assert ledger.turn(Work(app="shop", worker_id="w1", returns={claim.id: "another"})).returned == 0
    assert ledger.runs()[0].status == "running"


def test_what_has_ended_is_not_given_back(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    plan_minute(ledger)
    [claim] = ledger.claim()
    ledger.finish(claim)
    assert ledger.turn(Work(app="shop", worker_id="w1", returns={claim.id: claim.claim_token})).returned == 0
    assert ledger.runs()[0].status == "succeeded"


def test_a_run_whose_job_no_living_code_knows_is_skipped_with_the_reason(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", jobs=("other",)))
    plan_minute(ledger)
    known = {"other": Job(name="other").to_data()}
    ledger.store.write(lambda tx: tx.execute(update(app_version).values(jobs=known)))

    def work(tx: Tx) -> Settlement:
        found = recovery.unrunnable(tx, "shop", [ledger.version_id])
        return recovery.settle_all(tx, found, ledger.jobs, chance=lambda: 0.5)

    [ended] = ledger.store.write(work).ended
    assert (ended.schedule_id, ended.status) == ("a", "skipped")
    assert ledger.outcomes("a") == [("skipped", "no_capable_worker", 1)]
    assert [claim.job for claim in ledger.claim()] == ["other"]


def test_a_claimer_passes_over_jobs_it_does_not_know(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", jobs=("other",)))
    plan_minute(ledger)
    del ledger.jobs["work"]
    done = ledger.turn(Work(app="shop", worker_id="w1", limit=10))
    assert done.unknown == ("work",)
    assert [claim.job for claim in done.claimed] == ["other"]


@pytest.mark.parametrize("wait", [0, 10])
def test_a_turn_tells_when_the_next_attempt_may_be_claimed(ledger: Ledger, wait: int) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    plan_minute(ledger)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    available_at = ledger.runs()[1].available_at
    ledger.pass_time(seconds=wait)
    assert ledger.turn(Work(app="shop", worker_id="w1", limit=10)).next_available_at == available_at
