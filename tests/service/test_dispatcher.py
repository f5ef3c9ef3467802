"""The dispatcher: claims while it may, and records whatever happens to the database meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from matins.daemon.dispatcher import Dispatcher, ExecutorWaiter
from matins.domain.states import RunStatus
from matins.errors import DatabaseUnavailable
from matins.execution.port import LogLine, Output, Progress, Returned
from matins.store.engine import Tx
from matins.store.tables import job_run, occurrence
from matins.telemetry.events import FinishUnstorable, RunEnded
from tests.kit import Ledger, definition
from tests.service.stand_ins import ByHand, FaultyStore, Heard, new_state, register, renew


class Setup:
    """A dispatcher with two slots, over a ledger in which three schedules fire each minute."""

    def __init__(self, ledger: Ledger, store: FaultyStore, heard: Heard) -> None:
        self.ledger, self.store = ledger, store
        ledger.declare(definition("a"), definition("b"), definition("c"))
        self.state = new_state(ledger.clock)
        register(store, self.state)
        self.executor = ByHand(ledger.clock)
        self.dispatcher = Dispatcher(
            store=store,
            state=self.state,
            executor=self.executor,
            waiter=ExecutorWaiter(self.executor),
            jobs=lambda: ledger.jobs,
            pools=lambda: (),
            bus=heard.bus,
            default_timeout=3600.0,
            chance=lambda: 0.5,
        )

    def fire(self) -> None:
        """A minute passes, all fires are planned, the lease holds."""
        self.ledger.pass_time(minutes=1)
        renew(self.store, self.state)
        self.ledger.plan_due()
        self.dispatcher.work_arrived()

    def statuses(self) -> list[str]:
        return [str(run.status) for run in self.ledger.runs()]


@pytest.fixture
def setup(ledger: Ledger, store: FaultyStore, heard: Heard) -> Setup:
    return Setup(ledger, store, heard)


def test_as_many_runs_are_claimed_as_slots_are_free_and_the_next_with_the_first_end(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    assert sorted(setup.executor.orders) == [1, 2]
    assert setup.statuses() == ["running", "running", "pending"]
    setup.executor.end(1)
    setup.dispatcher.run_once()
    assert setup.statuses() == ["succeeded", "running", "running"]


def test_nothing_is_claimed_while_the_lease_is_in_doubt_and_all_of_it_once_it_holds_again(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.executor.end(1)
    setup.ledger.clock.advance(timedelta(seconds=61))
    setup.dispatcher.run_once()
    assert setup.statuses() == ["succeeded", "running", "pending"], "an end is recorded, a start is not made"
    renew(setup.store, setup.state)
    setup.dispatcher.run_once()
    assert setup.statuses() == ["succeeded", "running", "running"]


def test_a_lease_that_ends_with_the_claim_begins_nothing(setup: Setup) -> None:
    setup.fire()
    setup.store.refuse = lambda _tx: setup.ledger.clock.advance(timedelta(seconds=61))
    setup.dispatcher.run_once()
    setup.store.refuse = None
    assert setup.executor.orders == {}
    setup.dispatcher.run_once()
    assert setup.statuses() == ["pending"] * 3
    assert {row.status for row in setup.ledger.occurrences()} == {"pending"}


def test_what_ended_while_the_database_was_away_is_recorded_when_it_is_back(setup: Setup, heard: Heard) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.store.away = True
    line = LogLine(number=1, at=setup.ledger.clock.boottime(), stream="stdout", text="hello")
    setup.executor.say(Output(run_id=2, lines=(line,)))
    setup.executor.say(Progress(run_id=2, fraction=0.5, message="half"))
    setup.executor.end(1, result={"n": 1})
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            setup.dispatcher.run_once()
    assert setup.dispatcher.held_ids == {1, 2}
    setup.store.away = False
    setup.dispatcher.run_once()
    first, second, _ = setup.ledger.runs()
    assert (first.status, first.result) == ("succeeded", {"n": 1})
    assert (second.progress, second.progress_message) == (0.5, "half")
    assert [fact.run for fact in heard.of(RunEnded)] == [1]


def test_one_outcome_that_cannot_be_stored_holds_up_no_other(setup: Setup, heard: Heard) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.executor.end(1, result=object())
    setup.executor.end(2, result={"fine": True})
    setup.dispatcher.run_once()
    first, second, _ = setup.ledger.runs()
    assert (first.status, first.error_type) == ("failed", "Unstorable")
    assert (second.status, second.result) == ("succeeded", {"fine": True})
    assert [fact.run for fact in heard.of(FinishUnstorable)] == [1]
    assert setup.dispatcher.held_ids.isdisjoint({1, 2})


def test_a_database_that_goes_while_a_batch_is_written_singly_loses_nothing_of_it(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.executor.end(1, result={"fine": True})
    setup.executor.end(2, result=object())
    writes = []

    def go_after_the_first(_tx: Tx) -> None:
        writes.append(1)
        setup.store.away = True

    setup.store.refuse = go_after_the_first
    with pytest.raises(DatabaseUnavailable):
        setup.dispatcher.run_once()
    assert setup.statuses()[:2] == ["succeeded", "running"]
    setup.store.refuse, setup.store.away = None, False
    setup.dispatcher.run_once()
    assert setup.statuses()[:2] == ["succeeded", "failed"]
    assert setup.dispatcher.held_ids.isdisjoint({1, 2})


def test_a_row_broken_by_hand_keeps_no_other_outcome_from_the_ledger(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()

    def break_it(tx: Tx) -> None:
        tx.execute(update(occurrence).where(occurrence.c.id == 1).values(jobs=["no", "such", 7], policy=["nonsense"]))

    setup.ledger.store.write(break_it)
    setup.executor.end(1)
    setup.executor.end(2)
    for _ in range(3):
        setup.dispatcher.run_once()
    assert setup.statuses()[1] == "succeeded"
    assert 1 not in setup.dispatcher.held_ids


def test_a_finish_of_a_run_that_was_recovered_meanwhile_changes_nothing(setup: Setup, heard: Heard) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    _edit(setup, 1, status="lost", claim_token=None)
    setup.executor.end(1)
    setup.dispatcher.run_once()
    assert setup.statuses()[0] == "lost"
    assert heard.of(RunEnded) == []
    assert 1 not in setup.dispatcher.held_ids


def test_what_was_never_begun_is_given_back(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    del setup.executor.orders[1]
    setup.executor.say(Returned(run_id=1, reason="the slot's supervisor ended"))
    setup.dispatcher.run_once()
    assert setup.statuses()[0] in ("pending", "running")
    assert setup.ledger.runs()[0].attempt == 1


def test_one_declared_dead_stops_its_runs_and_writes_nothing_of_them(setup: Setup, heard: Heard) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.state.trusted_until = 0.0
    setup.dispatcher.drop_everything()
    setup.executor.end(1)
    setup.dispatcher.run_once()
    assert [run_id for run_id, _ in setup.executor.stopped] == [1, 2]
    assert setup.dispatcher.held_ids == set()
    assert setup.statuses()[:2] == ["running", "running"]
    assert heard.of(RunEnded) == []


def test_ends_are_recorded_when_the_daemon_stops(setup: Setup) -> None:
    setup.fire()
    setup.dispatcher.run_once()
    setup.executor.end(1, RunStatus.INTERRUPTED)
    assert setup.dispatcher.end_runs(1.0) == 1
    setup.dispatcher.record_ends()
    assert setup.statuses() == ["interrupted", "pending", "pending"]


def _edit(setup: Setup, run_id: int, **values: Any) -> None:
    setup.ledger.store.write(lambda tx: tx.execute(update(job_run).where(job_run.c.id == run_id).values(**values)))
