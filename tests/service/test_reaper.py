"""The reaper: takes over from the dead, and from nobody else."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from matins.daemon.reaper import Reaper
from matins.daemon.worker import WorkerState
from matins.store.engine import Store, Tx
from matins.telemetry.events import WorkerDied
from tests.kit import Ledger, definition
from tests.service.stand_ins import FaultyStore, Heard, beat_for, new_state, register, renew, worker_row


def _reaper(ledger: Ledger, store: Store, heard: Heard, state: WorkerState, **options: Any) -> Reaper:
    given: dict[str, Any] = {"held": set, "longest_pause": 15.0, "notify": lambda: None, **options}
    return Reaper(store=store, state=state, jobs=lambda: ledger.jobs, bus=heard.bus, **given)


@pytest.fixture
def me(ledger: Ledger, store: FaultyStore) -> WorkerState:
    state = new_state(ledger.clock, "me")
    register(store, state)
    return state


def _claimed_by(ledger: Ledger, worker: str, job: str) -> Any:
    ledger.declare(definition("a", jobs=(job,)))
    ledger.worker(worker)
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [claim] = ledger.claim(worker=worker)
    return claim


def test_nobody_is_declared_dead_before_a_whole_lock_timeout_of_own_heartbeats(
    ledger: Ledger, store: FaultyStore, heard: Heard
) -> None:
    ledger.declare(definition("a"))
    ledger.worker("gone")
    ledger.pass_time(minutes=10)
    me = new_state(ledger.clock, "me")
    register(store, me)
    reaper = _reaper(ledger, store, heard, me)
    beat_for(store, me, ledger.clock, 45)
    reaper.run_once()
    assert worker_row(store, "gone").status == "RUNNING"
    beat_for(store, me, ledger.clock, 15)
    reaper.run_once()
    assert worker_row(store, "gone").status == "DEAD"
    assert [fact.worker for fact in heard.of(WorkerDied)] == ["gone"]


def test_a_gap_in_own_heartbeats_starts_the_count_anew(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState
) -> None:
    ledger.declare(definition("a"))
    ledger.worker("other")
    beat_for(store, me, ledger.clock, 60)
    ledger.pass_time(minutes=5)
    renew(store, me)
    reaper = _reaper(ledger, store, heard, me)
    reaper.run_once()
    assert worker_row(store, "other").status == "RUNNING"


def test_a_database_that_stood_still_within_the_look_kills_nobody(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState
) -> None:
    ledger.declare(definition("a"))
    ledger.worker("other")
    beat_for(store, me, ledger.clock, 60)
    assert me.may_reap
    write = store.write

    def frozen(work: Any) -> Any:
        ledger.pass_time(minutes=5)
        return write(work)

    store.write = frozen  # type: ignore[method-assign]
    _reaper(ledger, store, heard, me).run_once()
    assert worker_row(store, "other").status == "RUNNING"


def test_a_dead_workers_run_is_lost_and_tried_again_as_its_job_says(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState
) -> None:
    _claimed_by(ledger, "gone", "repeatable")
    beat_for(store, me, ledger.clock, 120)
    woken = SimpleNamespace(count=0)
    reaper = _reaper(ledger, store, heard, me, notify=lambda: setattr(woken, "count", woken.count + 1))
    assert reaper.run_once() == 0
    assert [(run.attempt, run.status) for run in ledger.runs()] == [(1, "lost"), (2, "pending")]
    assert woken.count == 1


def test_a_dead_workers_run_of_a_job_that_may_not_be_repeated_ends_as_lost(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState
) -> None:
    _claimed_by(ledger, "gone", "fragile")
    beat_for(store, me, ledger.clock, 120)
    _reaper(ledger, store, heard, me).run_once()
    assert ledger.outcomes("a")[0][0] == "lost"
    assert ledger.schedule("a").locked_at is None
    assert ledger.schedule("a").failure_count == 1


def test_what_carries_this_workers_name_and_is_not_held_is_recovered_at_the_second_look(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState
) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    ledger.claim(worker="me")
    renew(store, me)
    reaper = _reaper(ledger, store, heard, me)
    reaper.run_once()
    assert [run.status for run in ledger.runs()] == ["running"]
    reaper.run_once()
    assert [run.status for run in ledger.runs()] == ["lost"]


def test_what_is_held_is_left_alone(ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_due()
    [claim] = ledger.claim(worker="me")
    renew(store, me)
    reaper = _reaper(ledger, store, heard, me, held=lambda: {claim.id})
    reaper.run_once()
    reaper.run_once()
    assert [run.status for run in ledger.runs()] == ["running"]


@pytest.mark.parametrize(
    "values", [{"claim_token": None}, {"worker_id": None}, {"claim_token": None, "worker_id": None}]
)
def test_a_run_marked_running_by_hand_ends_and_does_not_spin_the_reaper(
    ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState, values: dict[str, Any]
) -> None:
    from sqlalchemy import update

    from matins.store.tables import job_run

    claim = _claimed_by(ledger, "gone", "work")

    def by_hand(tx: Tx) -> None:
        tx.execute(update(job_run).where(job_run.c.id == claim.id).values(**values))

    ledger.store.write(by_hand)
    beat_for(store, me, ledger.clock, 120)
    reaper = _reaper(ledger, store, heard, me)
    pauses = [reaper.run_once() for _ in range(3)]
    assert pauses[-1] > 0, "it goes round for ever"
    assert [run.status for run in ledger.runs()] == ["lost"]
    assert ledger.schedule("a").locked_at is None


def test_a_lease_in_doubt_recovers_nothing(ledger: Ledger, store: FaultyStore, heard: Heard, me: WorkerState) -> None:
    _claimed_by(ledger, "gone", "work")
    beat_for(store, me, ledger.clock, 120)
    ledger.clock.advance(timedelta(seconds=61))
    _reaper(ledger, store, heard, me).run_once()
    assert [run.status for run in ledger.runs()] == ["running"]
