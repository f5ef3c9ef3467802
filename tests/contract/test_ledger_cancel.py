"""Cancelling: what waits ends at once, what runs is asked to stop, and nothing is started after."""

from __future__ import annotations

from matins.domain.states import OverlapPolicy, RunStatus
from matins.ledger.turn import Work, cancelled_occurrences
from matins.store import installation
from tests.kit import Ledger, definition
from tests.ledgers import cancel


def plan_one(ledger: Ledger, **values: object) -> int:
    ledger.declare(definition("a", **values))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [row] = ledger.occurrences()
    return int(row.id)


def test_a_pending_occurrence_ends_at_once_and_nothing_of_it_is_claimed(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    [ended] = cancel(ledger, id_).ended
    assert ended.status == "cancelled"
    assert ledger.claim() == []
    [run] = ledger.runs()
    assert (run.status, run.reason, run.started_at) == ("cancelled", "cancelled", None)
    [row] = ledger.occurrences()
    assert (row.status, row.reason, row.cancel_requested_by) == ("cancelled", "cancelled", "anna")
    schedule = ledger.schedule("a")
    assert (schedule.run_count, schedule.failure_count, schedule.locked_at) == (0, 0, None)


def test_a_waiting_occurrence_ends_at_once_without_a_run(ledger: Ledger) -> None:
    plan_one(ledger, overlap=OverlapPolicy.BUFFER_ONE)
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    waiting = ledger.occurrences()[1]
    [ended] = cancel(ledger, waiting.id).ended
    assert (ended.id, ended.status) == (waiting.id, "cancelled")
    assert len(ledger.runs()) == 1


def test_a_running_occurrence_is_asked_to_stop_and_ends_when_its_run_has(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    [claim] = ledger.claim()
    assert cancel(ledger, id_).ended == []
    assert ledger.store.read(lambda tx: cancelled_occurrences(tx, [id_])) == {id_}
    assert ledger.occurrences()[0].status == "running"
    [ended] = ledger.finish(claim, status=RunStatus.CANCELLED).ended
    assert ended.status == "cancelled"


def test_a_run_that_succeeds_in_the_moment_of_its_cancel_has_succeeded(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    [claim] = ledger.claim()
    cancel(ledger, id_)
    [ended] = ledger.finish(claim).ended
    assert ended.status == "succeeded"
    [row] = ledger.occurrences()
    assert (row.status, row.reason) == ("succeeded", None)
    assert ledger.schedule("a").run_count == 1


def test_an_occurrence_that_waits_for_its_next_attempt_ends_at_once(ledger: Ledger) -> None:
    id_ = plan_one(ledger, jobs=("repeatable",))
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    [ended] = cancel(ledger, id_).ended
    assert ended.status == "cancelled"
    ledger.pass_time(hours=1)
    assert ledger.claim() == []
    assert [run.status for run in ledger.runs()] == ["failed", "cancelled"]


def test_a_cancelled_run_is_not_tried_again(ledger: Ledger) -> None:
    id_ = plan_one(ledger, jobs=("repeatable",))
    [claim] = ledger.claim()
    cancel(ledger, id_)
    [ended] = ledger.finish(claim, status=RunStatus.FAILED).ended
    assert ended.status == "failed"
    assert len(ledger.runs()) == 1


def test_jobs_that_were_to_come_are_recorded_as_cancelled(ledger: Ledger) -> None:
    id_ = plan_one(ledger, jobs=("work", "other", "third"))
    [claim] = ledger.claim()
    cancel(ledger, id_)
    [ended] = ledger.finish(claim).ended
    assert ended.status == "cancelled"
    assert [(run.job, run.status, run.reason) for run in ledger.runs()] == [
        ("work", "succeeded", None),
        ("other", "skipped", "cancelled"),
        ("third", "skipped", "cancelled"),
    ]


def test_of_parallel_jobs_those_that_wait_end_and_those_that_run_are_asked(ledger: Ledger) -> None:
    id_ = plan_one(ledger, jobs=("work", "other"), parallel=2)
    [claim] = ledger.claim(limit=1)
    assert cancel(ledger, id_).ended == []
    assert ledger.claim() == []
    [ended] = ledger.finish(claim, status=RunStatus.CANCELLED).ended
    assert ended.status == "cancelled"
    assert {run.status for run in ledger.runs()} == {"cancelled"}


def test_cancelling_what_has_ended_changes_nothing(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    ledger.finish(*ledger.claim())
    before = ledger.occurrences()
    assert cancel(ledger, id_).ended == []
    assert ledger.occurrences() == before


def test_cancelling_twice_keeps_the_first_asker_and_ends_it_once(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    ledger.claim()
    cancel(ledger, id_)
    asked_at = ledger.occurrences()[0].cancel_requested_at
    ledger.pass_time(seconds=5)
    cancel(ledger, id_)
    assert ledger.occurrences()[0].cancel_requested_at == asked_at


def test_daemons_are_told_of_a_cancellation(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    before = ledger.store.read(lambda tx: installation.read_signal(tx, "shop")).revision
    cancel(ledger, id_)
    assert ledger.store.read(lambda tx: installation.read_signal(tx, "shop")).revision > before


def test_a_run_cancelled_between_two_turns_is_refused_to_its_claimer(ledger: Ledger) -> None:
    id_ = plan_one(ledger)
    ledger.store.write(lambda tx: tx.execute(_ask_to_stop(id_, tx.now)))
    done = ledger.turn(Work(app="shop", worker_id="w1", limit=10))
    assert done.claimed == []
    [ended] = done.settlement.ended
    assert ended.status == "cancelled"


def _ask_to_stop(id_: int, now: object) -> object:
    from sqlalchemy import update

    from matins.store.tables import occurrence

    return update(occurrence).where(occurrence.c.id == id_).values(cancel_requested_at=now)
