"""Workers that die: what they held is lost or repeated exactly once, and every account is moved once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from matins.domain.states import OverlapPolicy, RunId, RunStatus, WorkerId
from matins.ledger import recovery
from matins.ledger.settle import Settlement
from matins.ledger.turn import Work
from matins.store import workers
from matins.store.engine import Tx
from matins.store.tables import worker_instance
from tests.kit import TERMS, Ledger, definition


def renew(ledger: Ledger, id_: str) -> workers.Renewal | None:
    return ledger.store.write(lambda tx: workers.renew(tx, WorkerId(id_), TERMS, next_wake_at=None, running=0))


def reap(ledger: Ledger) -> list[str]:
    """Declare dead whose lease is over."""

    def work(tx: Tx) -> list[str]:
        return [one.id for one in workers.overdue(tx, TERMS) if workers.declare_dead(tx, one.id, TERMS)]

    return ledger.store.write(work)


def recover(ledger: Ledger) -> Settlement:
    def work(tx: Tx) -> Settlement:
        return recovery.settle_all(tx, recovery.held_by_the_dead(tx), ledger.jobs, chance=lambda: 0.5)

    return ledger.store.write(work)


def plan_minute(ledger: Ledger) -> None:
    ledger.pass_time(minutes=1)
    ledger.plan_all()


def die(ledger: Ledger) -> None:
    """The worker w1 is not heard of until its lease is over for everybody."""
    ledger.pass_time(seconds=66)
    assert reap(ledger) == ["w1"]


def test_a_renewed_lease_lasts_however_old_the_worker_is(ledger: Ledger) -> None:
    ledger.worker("w1")
    for _ in range(100):
        ledger.pass_time(seconds=59)
        assert renew(ledger, "w1") is not None
    assert reap(ledger) == []


def test_a_lease_is_over_for_others_one_margin_after_its_end(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.pass_time(seconds=65)
    assert reap(ledger) == []
    ledger.clock.advance(timedelta(microseconds=1))
    assert reap(ledger) == ["w1"]


def test_a_worker_declared_dead_can_renew_nothing(ledger: Ledger) -> None:
    ledger.worker("w1")
    die(ledger)
    assert renew(ledger, "w1") is None
    assert not ledger.store.write(lambda tx: workers.stop(tx, WorkerId("w1"), "signal"))


def test_a_worker_whose_lease_ended_unnoticed_may_still_renew_it(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.pass_time(hours=1)
    assert renew(ledger, "w1") is not None
    assert reap(ledger) == []


def test_a_worker_that_renews_in_time_is_not_declared_dead_by_an_older_look(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.pass_time(seconds=66)
    found = ledger.store.read(lambda tx: workers.overdue(tx, TERMS))
    assert [one.id for one in found] == ["w1"]
    renew(ledger, "w1")
    assert not ledger.store.write(lambda tx: workers.declare_dead(tx, WorkerId("w1"), TERMS))


def test_a_worker_that_stopped_holds_no_lease_and_is_not_dead(ledger: Ledger) -> None:
    ledger.worker("w1")
    assert ledger.store.write(lambda tx: workers.stop(tx, WorkerId("w1"), "signal"))
    ledger.pass_time(hours=1)
    assert reap(ledger) == []
    assert renew(ledger, "w1") is None


def test_asking_a_worker_to_drain_is_told_with_its_next_renewal(ledger: Ledger) -> None:
    ledger.worker("w1")
    renewal = renew(ledger, "w1")
    assert renewal is not None
    assert not renewal.draining


def test_old_rows_of_workers_that_ended_are_pruned_and_the_living_kept(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.worker("w2")
    ledger.store.write(lambda tx: workers.stop(tx, WorkerId("w1"), "signal"))
    ledger.pass_time(days=31)
    assert ledger.store.write(lambda tx: workers.prune(tx, timedelta(days=30))) == 1
    assert [row.id for row in ledger.store.read(lambda tx: tx.rows(worker_instance.select()))] == ["w2"]


def test_what_the_living_hold_is_not_recovered_however_long_it_runs(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.worker("w1")
    plan_minute(ledger)
    [claim] = ledger.claim()
    for _ in range(30):
        ledger.pass_time(seconds=50)
        renew(ledger, "w1")
        assert reap(ledger) == []
    assert recover(ledger).recorded == []
    assert ledger.finish(claim).ended


def test_a_lost_run_fails_its_occurrence_where_the_job_may_not_be_repeated(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("fragile",)))
    ledger.worker("w1")
    plan_minute(ledger)
    ledger.claim()
    die(ledger)
    [ended] = recover(ledger).ended
    assert ended.status == "lost"
    schedule = ledger.schedule("a")
    assert (schedule.failure_count, schedule.run_count, schedule.locked_at) == (1, 0, None)
    [run] = ledger.runs()
    assert (run.status, run.error_type) == ("lost", "WorkerLost")
    assert ledger.claim() == []


def test_a_lost_run_is_repeated_at_once_where_the_job_may_be(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    ledger.worker("w1")
    plan_minute(ledger)
    [first] = ledger.claim()
    die(ledger)
    assert recover(ledger).ended == []
    [second] = ledger.claim(worker="w2")
    assert (second.attempt, second.fire_at) == (2, first.fire_at)
    assert second.id > first.id, "the fence rises"
    [ended] = ledger.finish(second).ended
    assert ended.status == "succeeded"
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count) == (1, 0)


def test_a_job_that_kills_its_worker_every_time_ends_as_lost(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    plan_minute(ledger)
    for attempt in range(1, 4):
        ledger.worker(f"w{attempt}")
        [claim] = ledger.claim(worker=f"w{attempt}")
        assert claim.attempt == attempt
        ledger.pass_time(seconds=66)
        reap(ledger)
        recover(ledger)
    assert ledger.claim() == []
    assert ledger.outcomes("a") == [("lost", None, 1)]


def test_an_interrupted_run_is_repeated_without_counting(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    plan_minute(ledger)
    for _ in range(5):
        [claim] = ledger.claim()
        assert ledger.finish(claim, status=RunStatus.INTERRUPTED).ended == []
    for _ in range(2):
        [claim] = ledger.claim()
        ledger.finish(claim, status=RunStatus.FAILED)
        ledger.pass_time(minutes=2)
    assert [run.counted for run in ledger.runs()] == [1, 1, 1, 1, 1, 1, 2]
    assert ledger.outcomes("a") == [("failed", None, 1)]


def test_an_interrupted_run_that_may_not_be_repeated_is_counted_nowhere(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("fragile",)))
    plan_minute(ledger)
    [ended] = ledger.finish(*ledger.claim(), status=RunStatus.INTERRUPTED).ended
    assert ended.status == "interrupted"
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count) == (0, 0)


def test_a_late_finish_of_a_recovered_run_changes_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    ledger.worker("w1")
    plan_minute(ledger)
    [claim] = ledger.claim()
    die(ledger)
    recover(ledger)
    before = (ledger.runs(), ledger.occurrences(), ledger.schedule("a"))
    done = ledger.finish(claim)
    assert (len(done.late), done.recorded, done.ended) == (1, [], [])
    assert (ledger.runs(), ledger.occurrences(), ledger.schedule("a")) == before


def test_a_finish_that_came_first_leaves_nothing_to_recover(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.worker("w1")
    plan_minute(ledger)
    [claim] = ledger.claim()
    die(ledger)
    found = ledger.store.read(recovery.held_by_the_dead)
    ledger.finish(claim)
    settled = ledger.store.write(lambda tx: recovery.settle_all(tx, found, ledger.jobs, chance=lambda: 0.5))
    assert (len(settled.late), settled.ended) == (1, [])
    assert (ledger.schedule("a").run_count, ledger.schedule("a").failure_count) == (1, 0)


def test_progress_and_log_of_a_claim_that_was_lost_are_not_written(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    ledger.worker("w1")
    plan_minute(ledger)
    [claim] = ledger.claim()
    done = {claim.id: (0.5, "half")}
    ledger.turn(Work(app="shop", worker_id="w1", progress=done, tokens={claim.id: "another"}))
    assert ledger.runs()[0].progress is None
    ledger.turn(Work(app="shop", worker_id="w1", progress=done, tokens={claim.id: claim.claim_token}))
    assert (ledger.runs()[0].progress, ledger.runs()[0].progress_message) == (0.5, "half")


def test_what_a_worker_holds_whose_row_is_gone_is_recovered(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.worker("w1")
    plan_minute(ledger)
    ledger.claim()
    ledger.store.write(lambda tx: tx.execute(delete(worker_instance)))
    [ended] = recover(ledger).ended
    assert ended.status == "lost"


def test_a_claim_whose_commit_was_never_learnt_of_is_found_under_the_workers_id(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    ledger.worker("w1")
    plan_minute(ledger)
    known, unknown = ledger.claim()
    held: set[RunId] = {known.id}
    found = ledger.store.read(lambda tx: recovery.held_in_name_only(tx, WorkerId("w1"), held))
    assert [one.run_id for one in found] == [unknown.id]


def test_the_end_of_a_lost_occurrence_admits_what_waited(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("fragile",), overlap=OverlapPolicy.BUFFER_ONE))
    ledger.worker("w1")
    plan_minute(ledger)
    ledger.claim()
    plan_minute(ledger)
    die(ledger)
    assert len(recover(ledger).admitted) == 1
    assert len(ledger.claim(worker="w2")) == 1


def test_the_lock_that_is_shown_is_that_of_the_oldest_running_occurrence(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.ALLOW))
    claims = []
    for worker in ("w1", "w2"):
        plan_minute(ledger)
        claims += ledger.claim(worker=worker)
    began = ledger.clock.now() - timedelta(minutes=1)
    assert (ledger.schedule("a").locked_at, ledger.schedule("a").locked_by) == (began, "w1")
    ledger.finish(claims[0])
    assert (ledger.schedule("a").locked_at, ledger.schedule("a").locked_by) == (ledger.clock.now(), "w2")
    ledger.finish(claims[1])
    assert (ledger.schedule("a").locked_at, ledger.schedule("a").locked_by) == (None, None)


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (RunStatus.SUCCEEDED, (1, 0)),
        (RunStatus.FAILED, (0, 1)),
        (RunStatus.TIMED_OUT, (0, 1)),
        (RunStatus.CANCELLED, (0, 0)),
        (RunStatus.INTERRUPTED, (0, 0)),
    ],
)
def test_counters_move_once_for_each_occurrence(ledger: Ledger, status: RunStatus, counts: tuple[int, int]) -> None:
    ledger.declare(definition("a", jobs=("work", "other")))
    plan_minute(ledger)
    for _ in range(2):
        ledger.finish(*ledger.claim(), status=status)
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count) == counts
    assert (schedule.last_success_at is not None) == (status is RunStatus.SUCCEEDED)
