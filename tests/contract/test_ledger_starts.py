"""Fires that are started by the transaction that plans them, on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matins.domain.job import Job
from matins.domain.states import OnLost, OverlapPolicy, RunStatus
from matins.ledger.starts import Offer
from tests.kit import START, Ledger, definition

JOBS = (Job(name="work"), Job(name="other"), Job(name="again", on_lost=OnLost.RETRY), Job(name="pooled", pool="p"))


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    ledger = Ledger(database_url, jobs=JOBS)
    yield ledger
    ledger.close()


def _offer(free: int, room: int = 0) -> Offer:
    return Offer(worker_id="w1", free=free, room=lambda _: room)


def test_a_fire_that_finds_an_idle_slot_is_claimed_as_it_is_planned(ledger: Ledger) -> None:
    ledger.declare(definition("a", args={"n": 1}))
    ledger.pass_time(minutes=1)
    written = ledger.plan_due(offer=_offer(1))
    [claim] = written.claimed
    assert (written.pending, claim.job, claim.args) == (0, "work", {"n": 1})
    [run] = ledger.runs()
    assert (run.id, run.status, run.worker_id, run.claim_token) == (claim.id, "running", "w1", claim.claim_token)
    [row] = ledger.occurrences()
    assert (row.status, row.worker_id, row.started_at) == ("running", "w1", START.replace(minute=1))
    schedule = ledger.schedule("a")
    assert (schedule.locked_by, schedule.last_run_id) == ("w1", claim.id)
    assert ledger.claim() == []
    assert [one.status for one in ledger.finish(claim).ended] == ["succeeded"]
    assert (ledger.schedule("a").run_count, ledger.schedule("a").locked_at) == (1, None)


def test_what_an_offer_has_no_room_for_waits_to_be_claimed(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"s{n}") for n in range(5)))
    ledger.pass_time(minutes=1)
    written = ledger.plan_due(offer=_offer(2, room=50))
    assert (len(written.claimed), written.pending) == (2, 3)
    assert len(ledger.claim()) == 3


def test_only_jobs_that_may_be_repeated_are_started_ahead_of_an_idle_slot(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"s{n}", jobs=("again",)) for n in range(5)))
    ledger.pass_time(minutes=1)
    assert len(ledger.plan_due(offer=_offer(1, room=4)).claimed) == 4


def test_a_job_in_a_pool_waits_for_its_turn(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("pooled",)))
    ledger.pass_time(minutes=1)
    assert ledger.plan_due(offer=_offer(4)).pending == 1


def test_the_jobs_after_the_first_follow_when_it_ends(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other")))
    ledger.pass_time(minutes=1)
    [first] = ledger.plan_due(offer=_offer(4)).claimed
    ledger.finish(first)
    [second] = ledger.claim()
    assert second.job == "other"
    [ended] = ledger.finish(second).ended
    assert ended.status == "succeeded"


def test_a_fire_beside_a_running_one_leaves_the_older_claim_shown(ledger: Ledger) -> None:
    ledger.declare(definition("a", overlap=OverlapPolicy.ALLOW))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_due(offer=_offer(1))
    assert ledger.schedule("a").locked_at == START.replace(minute=1)
    assert [run.status for run in ledger.runs()] == [RunStatus.RUNNING, RunStatus.RUNNING]
