"""The scheduler: plans what is due, sets aside what cannot be planned, and announces when it looks again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from matins.daemon.catalogue import Catalogue
from matins.daemon.scheduler import Scheduler
from matins.domain.triggers import every
from matins.errors import DatabaseUnavailable
from matins.telemetry.events import ScheduleQuarantined
from tests.kit import START, Ledger, definition
from tests.service.stand_ins import FaultyStore, Heard, new_state, register, renew


class Setup:
    def __init__(self, ledger: Ledger, store: FaultyStore, heard: Heard) -> None:
        self.ledger, self.store = ledger, store
        ledger.declare(definition("minutely"), definition("hourly", every(hours=1)), definition("off", enabled=False))
        self.state = new_state(ledger.clock)
        register(store, self.state)
        self.state.version_id = ledger.version_id
        self.notified = 0
        self.scheduler = Scheduler(
            store=store,
            state=self.state,
            jobs=lambda: ledger.jobs,
            catalogue=Catalogue(),
            bus=heard.bus,
            poll_seconds=60.0,
            notify=self._notify,
            refresh_fires=lambda: None,
        )

    def _notify(self) -> None:
        self.notified += 1

    def pass_time(self, **by: float) -> None:
        self.ledger.pass_time(**by)
        renew(self.store, self.state)

    def run_until_idle(self) -> float:
        while (pause := self.scheduler.run_once()) < 0.5:
            continue
        return pause


@pytest.fixture
def setup(ledger: Ledger, store: FaultyStore, heard: Heard) -> Setup:
    return Setup(ledger, store, heard)


def test_it_sleeps_until_the_next_due_instant_and_announces_it(setup: Setup) -> None:
    setup.pass_time(seconds=10)
    assert setup.scheduler.run_once() == pytest.approx(50, abs=0.01)
    assert setup.state.next_wake_at is not None
    assert abs(setup.state.next_wake_at - (START + timedelta(minutes=1))) < timedelta(seconds=0.01)


def test_what_is_due_is_planned_and_the_dispatcher_told(setup: Setup) -> None:
    setup.pass_time(minutes=1)
    setup.run_until_idle()
    assert setup.ledger.outcomes("minutely") == [("pending", None, 1)]
    assert setup.notified == 1


def test_nothing_is_planned_while_the_lease_is_in_doubt(setup: Setup) -> None:
    setup.ledger.pass_time(minutes=2)
    assert setup.scheduler.run_once() == 1.0
    assert setup.ledger.outcomes() == []


def test_a_fire_whose_transaction_failed_is_still_due(setup: Setup) -> None:
    setup.pass_time(minutes=1)

    def fail(_tx: object) -> None:
        raise DatabaseUnavailable("gone before the commit")

    setup.store.refuse = fail
    with pytest.raises(DatabaseUnavailable):
        setup.scheduler.run_once()
    assert setup.ledger.outcomes() == []
    assert setup.ledger.schedule("minutely").planned_through == START
    setup.store.refuse = None
    setup.run_until_idle()
    assert setup.ledger.outcomes("minutely") == [("pending", None, 1)]


@pytest.mark.parametrize(
    "values",
    [
        {"definition": {"trigger": {"kind": "unknown"}}},
        {"definition": {"trigger": {"kind": "cron", "expression": "* *"}}},
    ],
    ids=["unknown", "malformed"],
)
def test_a_definition_that_cannot_be_read_is_set_aside_alone(
    setup: Setup, heard: Heard, values: dict[str, Any]
) -> None:
    setup.ledger.change("hourly", **values)
    setup.pass_time(hours=1)
    setup.run_until_idle()
    assert [fact.schedule for fact in heard.of(ScheduleQuarantined)] == ["hourly"]
    assert setup.ledger.schedule("hourly").quarantined_at is not None
    assert sum(count for _, _, count in setup.ledger.outcomes("minutely")) == 60


def test_a_pause_is_not_longer_than_the_poll_interval(setup: Setup) -> None:
    setup.ledger.change("minutely", enabled=False)
    setup.pass_time(seconds=1)
    assert setup.scheduler.run_once() == 60.0
