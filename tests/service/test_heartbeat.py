"""The heartbeat: renews the lease, counts failures as missed, and begins anew when others declared it dead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from matins.daemon.heartbeat import Heartbeat
from matins.errors import DatabaseUnavailable
from matins.telemetry.events import DeclaredDead, LeaseLapsed
from tests.kit import Ledger
from tests.service.stand_ins import TERMS, ByHand, FaultyStore, Heard, declare_dead, describe, new_state, worker_row


class Setup:
    def __init__(self, ledger: Ledger, store: FaultyStore, heard: Heard) -> None:
        self.clock, self.store = ledger.clock, store
        self.state = new_state(ledger.clock)
        self.executor = ByHand(ledger.clock)
        self.drops = 0
        self.heartbeat = Heartbeat(
            store=store,
            state=self.state,
            describe=lambda: describe(self.state),
            interval_seconds=15,
            renew_slots=self.executor.renew,
            drop_everything=self._drop,
            bus=heard.bus,
            clock=ledger.clock,
        )

    def _drop(self) -> None:
        self.drops += 1


@pytest.fixture
def setup(ledger: Ledger, store: FaultyStore, heard: Heard) -> Setup:
    return Setup(ledger, store, heard)


def test_a_renewal_moves_the_lease_and_the_slots_deadline(setup: Setup) -> None:
    setup.heartbeat.register()
    setup.clock.advance(timedelta(seconds=15))
    assert setup.heartbeat.run_once() == 15
    row = worker_row(setup.store, "w1")
    assert row.lease_until == setup.clock.now() + timedelta(seconds=60)
    assert setup.executor.deadlines[-1] == 15 + 60 - TERMS.margin_seconds


def test_a_database_that_is_away_ends_the_trust_and_is_told_once(setup: Setup, heard: Heard) -> None:
    setup.heartbeat.register()
    setup.store.away = True
    for _ in range(5):
        setup.clock.advance(timedelta(seconds=15))
        with pytest.raises(DatabaseUnavailable):
            setup.heartbeat.run_once()
    assert not setup.state.may_start
    assert len(heard.of(LeaseLapsed)) == 1
    setup.store.away = False
    setup.heartbeat.run_once()
    assert setup.state.may_start
    assert setup.state.id == "w1", "nobody had declared it dead: it goes on under its name"
    assert not setup.state.may_reap, "others had no chance to renew either"


def test_one_declared_dead_drops_everything_and_goes_on_under_a_new_identity(setup: Setup, heard: Heard) -> None:
    setup.heartbeat.register()
    declare_dead(setup.store, "w1")
    setup.heartbeat.run_once()
    assert setup.drops == 1
    assert setup.state.id != "w1"
    assert worker_row(setup.store, setup.state.id).status == "RUNNING"
    assert worker_row(setup.store, "w1").status == "DEAD"
    [fact] = heard.of(DeclaredDead)
    assert (fact.worker, fact.successor) == ("w1", setup.state.id)
    assert setup.state.may_start
    assert not setup.state.may_reap


def test_a_renewal_that_took_too_long_proves_no_lease(setup: Setup) -> None:
    setup.heartbeat.register()

    def stand_still(_tx: object) -> None:
        setup.clock.advance(timedelta(seconds=100))

    setup.store.refuse = stand_still
    setup.heartbeat.run_once()
    assert not setup.state.trusts_lease
