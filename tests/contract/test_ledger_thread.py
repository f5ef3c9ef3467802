"""One fire from its plan to its outcome, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from matins.domain.job import Backoff, Job
from matins.domain.states import OnLost, RunStatus
from matins.store import retention
from tests.kit import START, Ledger, definition

JOBS = (
    Job(name="work"),
    Job(name="other"),
    Job(name="flaky", retries=2, on_lost=OnLost.RETRY, backoff=Backoff(initial_seconds=10, jitter=0)),
)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    ledger = Ledger(database_url, jobs=JOBS)
    yield ledger
    ledger.close()


def test_a_fire_becomes_one_row_a_run_and_a_counted_success(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    assert ledger.plan_due().pending == 1
    [claim] = ledger.claim()
    assert ledger.schedule("a").locked_by == "w1"
    done = ledger.finish(claim, result={"items": 3})
    assert [one.status for one in done.ended] == ["succeeded"]
    [row] = ledger.occurrences("a")
    assert (row.status, row.kind, row.planned_at) == ("succeeded", "scheduled", START.replace(minute=1))
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count, schedule.locked_at) == (1, 0, None)
    assert schedule.planned_through == START.replace(minute=1)
    assert schedule.next_run_at == START.replace(minute=2)
    assert ledger.runs()[0].result == {"items": 3}


def test_a_failed_run_is_tried_again_after_its_backoff_and_then_fails(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("flaky",)))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    for wait in (10, 20):
        [claim] = ledger.claim()
        assert ledger.finish(claim, status=RunStatus.FAILED).ended == []
        assert ledger.claim() == []
        ledger.pass_time(seconds=wait)
    [claim] = ledger.claim()
    [ended] = ledger.finish(claim, status=RunStatus.FAILED, error_type="ValueError", error_message="no").ended
    assert ended.status == "failed"
    assert [(run.attempt, run.status) for run in ledger.runs()] == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert ledger.schedule("a").failure_count == 1


def test_jobs_of_an_occurrence_run_in_order_and_one_failure_stops_none_of_the_others(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other")))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [first] = ledger.claim()
    assert first.job == "work"
    ledger.finish(first, status=RunStatus.FAILED)
    [second] = ledger.claim()
    assert second.job == "other"
    [ended] = ledger.finish(second).ended
    assert ended.status == "failed"


def test_stop_on_failure_records_the_jobs_that_will_not_run(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other"), stop_on_failure=True))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    assert [(run.job, run.status, run.reason) for run in ledger.runs()] == [
        ("work", "failed", None),
        ("other", "skipped", "earlier_failure"),
    ]


def test_a_late_finish_of_a_run_changes_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [claim] = ledger.claim()
    ledger.finish(claim)
    before = (ledger.occurrences(), ledger.runs(), ledger.schedule("a"))
    assert len(ledger.finish(claim, status=RunStatus.FAILED).late) == 1
    assert (ledger.occurrences(), ledger.runs(), ledger.schedule("a")) == before


def test_a_fire_that_meets_its_predecessor_is_skipped_with_the_reason(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
    assert ledger.outcomes() == [("pending", None, 1), ("skipped", "overlap", 1)]


def test_an_attempt_after_history_was_pruned_has_a_higher_fence_all_the_same(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    fences = []
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due()
        [claim] = ledger.claim()
        fences.append(claim.id)
        ledger.finish(claim)
        ledger.pass_time(seconds=1)
        assert ledger.store.write(lambda tx: retention.prune_occurrences(tx, timedelta(0))) == 1
    assert fences[0] < fences[1]
