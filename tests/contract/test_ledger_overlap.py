"""What becomes of a fire or a request that meets an occurrence of its schedule that has not ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from matins.domain.admission import Verdict
from matins.domain.states import MissedPolicy, OccurrenceKind, OverlapPolicy, RunStatus
from matins.domain.triggers import every
from matins.ledger.turn import cancelled_occurrences
from tests.kit import Ledger, definition
from tests.ledgers import ask, cancel


def plan_minutes(ledger: Ledger, minutes: int) -> None:
    for _ in range(minutes):
        ledger.pass_time(minutes=1)
        ledger.plan_all()


def test_allow_starts_beside_what_runs(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.ALLOW))
    plan_minutes(ledger, 3)
    assert len(ledger.claim()) == 3


def test_buffer_one_keeps_the_first_that_waits_and_starts_it_when_the_other_ended(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.BUFFER_ONE))
    plan_minutes(ledger, 3)
    assert ledger.outcomes() == [("pending", None, 1), ("pending", None, 1), ("skipped", "buffer_full", 1)]
    [first] = ledger.claim()
    second = ledger.occurrences()[1]
    assert ledger.finish(first).admitted == [second.id]
    assert [claim.occurrence_id for claim in ledger.claim()] == [second.id]


def test_buffer_all_queues_up_to_its_limit_in_order(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.BUFFER_ALL, buffer_limit=2))
    plan_minutes(ledger, 4)
    assert ledger.outcomes()[-1] == ("skipped", "buffer_full", 1)
    fires = []
    while claims := ledger.claim():
        assert len(claims) == 1
        fires.append(claims[0].fire_at)
        ledger.finish(*claims)
    assert fires == sorted(fires)
    assert len(fires) == 3


def test_a_fire_that_meets_one_waiting_for_its_next_attempt_is_skipped(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",)))
    plan_minutes(ledger, 1)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    plan_minutes(ledger, 1)
    assert ledger.outcomes() == [("running", None, 1), ("skipped", "overlap", 1)]


def test_cancel_running_asks_the_old_one_to_stop_and_starts_when_it_has_ended(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.CANCEL_RUNNING))
    plan_minutes(ledger, 1)
    [old] = ledger.claim()
    plan_minutes(ledger, 1)
    assert ledger.store.read(lambda tx: cancelled_occurrences(tx, [old.occurrence_id])) == {old.occurrence_id}
    assert ledger.claim() == []
    ledger.finish(old, status=RunStatus.CANCELLED)
    [new] = ledger.claim()
    assert new.occurrence_id != old.occurrence_id
    assert [row.status for row in ledger.occurrences()] == ["cancelled", "running"]


def test_cancel_running_starts_at_once_when_the_old_one_had_not_begun(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.CANCEL_RUNNING))
    plan_minutes(ledger, 2)
    assert [row.status for row in ledger.occurrences()] == ["cancelled", "pending"]
    [new] = ledger.claim()
    assert new.fire_at == ledger.clock.now()
    ledger.finish(new)
    assert ledger.schedule("a").run_count == 1


def test_cancel_running_starts_at_once_when_the_old_one_waits_for_its_next_attempt(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("repeatable",), overlap=OverlapPolicy.CANCEL_RUNNING))
    plan_minutes(ledger, 1)
    ledger.finish(*ledger.claim(), status=RunStatus.FAILED)
    plan_minutes(ledger, 1)
    assert [row.status for row in ledger.occurrences()] == ["cancelled", "pending"]
    assert len(ledger.claim()) == 1


def test_of_those_that_wait_for_a_stop_only_the_newest_is_kept(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.CANCEL_RUNNING))
    plan_minutes(ledger, 1)
    [old] = ledger.claim()
    plan_minutes(ledger, 2)
    assert ledger.outcomes()[1:] == [("skipped", "replaced", 1), ("pending", None, 1)]
    ledger.finish(old, status=RunStatus.CANCELLED)
    [new] = ledger.claim()
    assert new.fire_at == ledger.clock.now()


def test_a_request_that_overlaps_is_answered_and_recorded_as_skipped(ledger: Ledger) -> None:
    wanted = definition("a")
    ledger.declare(wanted)
    assert ask(ledger, wanted).verdict is Verdict.START
    answer = ask(ledger, wanted)
    assert (answer.verdict, answer.reason) == (Verdict.SKIP, "overlap")
    assert ledger.outcomes() == [("pending", None, 1), ("skipped", "overlap", 1)]


def test_a_request_never_cancels_unless_it_asks_for_that(ledger: Ledger) -> None:
    wanted = definition("a", overlap=OverlapPolicy.CANCEL_RUNNING)
    ledger.declare(wanted)
    plan_minutes(ledger, 1)
    [old] = ledger.claim()
    assert ask(ledger, wanted).verdict is Verdict.WAIT
    assert ledger.store.read(lambda tx: cancelled_occurrences(tx, [old.occurrence_id])) == set()
    ask(ledger, wanted, overlap=OverlapPolicy.CANCEL_RUNNING)
    assert ledger.store.read(lambda tx: cancelled_occurrences(tx, [old.occurrence_id])) == {old.occurrence_id}


def test_a_request_that_cancels_what_had_not_begun_is_answered_as_started(ledger: Ledger) -> None:
    wanted = definition("a")
    ledger.declare(wanted)
    ask(ledger, wanted)
    answer = ask(ledger, wanted, overlap=OverlapPolicy.CANCEL_RUNNING)
    assert answer.verdict is Verdict.START
    [claim] = ledger.claim()
    assert claim.occurrence_id == answer.occurrence_id


def test_backfills_run_one_at_a_time_and_give_way_to_live_fires(ledger: Ledger) -> None:
    wanted = definition("a")
    ledger.declare(wanted)
    past = [
        ask(ledger, wanted, kind=OccurrenceKind.BACKFILL, back=timedelta(minutes=minutes)).occurrence_id
        for minutes in (5, 4, 3)
    ]
    [first] = ledger.claim()
    assert first.occurrence_id == past[0]
    plan_minutes(ledger, 1)
    ledger.finish(first)
    [live] = ledger.claim()
    assert live.kind is OccurrenceKind.SCHEDULED
    ledger.finish(live)
    rest = []
    while claims := ledger.claim():
        rest += [claim.occurrence_id for claim in claims]
        ledger.finish(*claims)
    assert rest == past[1:]


def test_a_backfill_keeps_the_original_fire_time_and_takes_no_planned_instant(ledger: Ledger) -> None:
    wanted = definition("a")
    ledger.declare(wanted)
    plan_minutes(ledger, 2)
    ask(ledger, wanted, kind=OccurrenceKind.BACKFILL, back=timedelta(minutes=1))
    [row] = [row for row in ledger.occurrences() if row.kind == "backfill"]
    assert (row.planned_at, row.fire_at) == (None, ledger.clock.now() - timedelta(minutes=1))


@pytest.mark.parametrize("overlap", OverlapPolicy)
def test_catch_up_runs_oldest_first_and_live_fires_queue_behind_it(ledger: Ledger, overlap: OverlapPolicy) -> None:
    ledger.declare(definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL, overlap=overlap))
    ledger.pass_time(hours=3, seconds=90)
    ledger.plan_all()
    ledger.pass_time(hours=1, seconds=-90)
    ledger.plan_all()
    order = []
    while claims := ledger.claim():
        assert len(claims) == 1
        order += [(claim.kind.value, claim.fire_at.hour) for claim in claims]
        ledger.finish(*claims)
    assert order == [("catch_up", 13), ("catch_up", 14), ("catch_up", 15), ("scheduled", 16)]


def test_a_cancelled_occurrence_that_waits_lets_the_next_one_come_up(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.BUFFER_ALL))
    plan_minutes(ledger, 3)
    running, second, third = (row.id for row in ledger.occurrences())
    cancel(ledger, second)
    [claim] = ledger.claim()
    assert claim.occurrence_id == running
    assert ledger.finish(claim).admitted == [third]
