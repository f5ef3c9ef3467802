"""Rows edited by hand: each is repaired or set aside, and every other schedule is planned on time meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from matins.clock import DatabaseClock, ManualClock
from matins.daemon.catalogue import Catalogue
from matins.daemon.definitions import Code, DefinitionKeeper
from matins.daemon.scheduler import Scheduler
from matins.daemon.worker import WorkerState
from matins.domain.states import MissedPolicy
from matins.domain.triggers import at
from matins.store import schedules
from matins.telemetry.events import Event, EventBus, ScheduleQuarantined, ScheduleRepaired
from tests.kit import START, TERMS, Ledger, definition
from tests.ledgers import JOBS, CleanDatabases, counted

ANYWHERE = [None, "1970-01-01 00:00:00.000000", "9999-12-31 23:59:59.000000"]
OWN = {
    "sqlite": [
        "garbage",
        "",
        "5",
        "2026-99-99 99:99",
        "2026-03-01T12:00:00Z",
        "2026-03-01",
        "0001-01-01T00:00:00+23:00",
    ],
    "postgresql": ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "20000-01-01 00:00:00+00"],
    "mariadb": ["1000-01-01 00:00:00", "9999-12-31 23:59:59.999999"],
}
DAMAGE = [(kind, value) for kind, own in OWN.items() for value in (*ANYWHERE, *own)]


def write_by_hand(ledger: Ledger, column: str, value: str | None) -> None:
    written = ":value"
    if ledger.store.dialect.name == "postgresql":
        written = "CAST(CAST(:value AS text) AS timestamptz)"
    statement = text(f"UPDATE job_schedule SET {column} = {written} WHERE id = 'a'")
    ledger.store.write(lambda tx: tx.execute(statement, {"value": value}))


class Daemon:
    """The services of a daemon, called by hand, that runs the code last declared."""

    def __init__(self, ledger: Ledger) -> None:
        self.told: list[Event] = []
        clock = ManualClock(START)
        state = WorkerState(
            id=ledger.worker("w-damage"),
            app="shop",
            environment="production",
            terms=TERMS,
            clock=clock,
            database_clock=DatabaseClock(clock),
            version_id=ledger.version_id,
            trusted_until=10.0,
        )
        self._keeper = DefinitionKeeper(
            store=ledger.store,
            state=state,
            code=Code(),
            load=_no_code,
            catalogue=Catalogue(),
            bus=EventBus(self.told.append),
            changed=lambda: None,
            code_replaced=lambda: None,
        )
        self._scheduler = Scheduler(
            store=ledger.store,
            state=state,
            jobs=lambda: ledger.jobs,
            catalogue=Catalogue(),
            bus=EventBus(self.told.append),
            poll_seconds=10,
            notify=lambda: None,
            refresh_fires=lambda: None,
        )

    def plan(self) -> None:
        """Turns of the scheduler until it would sleep."""
        for _ in range(20):
            if self._scheduler.run_once() >= 1:
                return
        raise AssertionError("the scheduler never comes to rest")

    def sweep(self) -> list[Event]:
        """One sweep of the keeper of definitions; what it tells."""
        self.told.clear()
        self._keeper.run_once()
        return list(self.told)


def _no_code() -> Any:
    raise AssertionError("a sweep loads no code")


@pytest.fixture
def planned(request: pytest.FixtureRequest, clean_databases: CleanDatabases) -> Iterator[Ledger]:
    """Two schedules every minute, planned for two minutes, in a database of the kind asked for."""
    ledger = Ledger(clean_databases.url(request.param), jobs=JOBS)
    ledger.declare(definition("a", missed=MissedPolicy.RUN_ALL), definition("b"))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_all()
        ledger.finish(*ledger.claim())
    yield ledger
    ledger.close()


@pytest.mark.parametrize(("planned", "value"), DAMAGE, indirect=["planned"])
def test_a_next_run_that_cannot_be_right_costs_a_repair_and_no_fire(planned: Ledger, value: str | None) -> None:
    daemon = Daemon(planned)
    write_by_hand(planned, "next_run_at", value)
    planned.pass_time(minutes=2)
    daemon.plan()
    assert counted(planned, "b") == 4, "the other is on time"
    repaired = [told for told in daemon.sweep() if isinstance(told, ScheduleRepaired)]
    if counted(planned, "a") == 2:
        assert [told.schedule for told in repaired] == ["a"], "planning alone did not correct it, so it is told"
    daemon.plan()
    assert counted(planned, "a") == 4
    schedule = planned.schedule("a")
    assert schedule.next_run_at == planned.clock.now() + timedelta(minutes=1)
    assert schedule.planned_through == planned.clock.now()
    assert daemon.sweep() == []


@pytest.mark.parametrize(("planned", "value"), [one for one in DAMAGE if one[1] is not None], indirect=["planned"])
@pytest.mark.parametrize("column", ["planned_through", "disabled_since", "locked_at"])
def test_other_instants_that_cannot_be_right_hold_up_no_other_schedule(
    planned: Ledger, column: str, value: str
) -> None:
    daemon = Daemon(planned)
    write_by_hand(planned, column, value)
    planned.pass_time(minutes=2)
    daemon.plan()
    assert counted(planned, "b") == 4
    claims = planned.claim()
    assert [claim.schedule_id for claim in claims].count("b") == 1
    planned.finish(*claims)
    daemon.sweep()


@pytest.mark.parametrize(
    ("planned", "value"),
    [(kind, value) for kind, value in DAMAGE if value not in (None, "2026-03-01T12:00:00Z", "2026-03-01")],
    indirect=["planned"],
)
def test_a_watermark_that_cannot_be_right_is_planned_from_now(planned: Ledger, value: str) -> None:
    daemon = Daemon(planned)
    write_by_hand(planned, "planned_through", value)
    planned.pass_time(minutes=3, seconds=30)
    daemon.plan()
    assert planned.schedule("a").planned_through == planned.clock.now()
    planned.pass_time(minutes=1)
    daemon.plan()
    assert planned.outcomes("a")[2:] == [("pending", None, 1)]


@pytest.mark.parametrize("planned", OWN, indirect=True)
def test_a_schedule_that_never_fires_is_not_repaired_again_and_again(planned: Ledger) -> None:
    planned.declare(
        definition("a", at(datetime(2020, 1, 1, tzinfo=UTC))), definition("b", at(datetime(9999, 12, 31, tzinfo=UTC)))
    )
    assert Daemon(planned).sweep() == []
    assert planned.store.read(lambda tx: schedules.next_due_at(tx, planned.version_id)) is None


@pytest.mark.parametrize("planned", OWN, indirect=True)
@pytest.mark.parametrize("definition_text", ["garbage", "{}", "[]"])
def test_a_definition_that_cannot_be_used_is_set_aside_and_told(planned: Ledger, definition_text: str) -> None:
    daemon = Daemon(planned)
    statement = text("UPDATE job_schedule SET definition = :value WHERE id = 'a'")
    planned.store.write(lambda tx: tx.execute(statement, {"value": definition_text}))
    planned.pass_time(minutes=1)
    daemon.plan()
    assert [told.schedule for told in daemon.told if isinstance(told, ScheduleQuarantined)] == ["a"]
    assert planned.schedule("a").quarantined_at == planned.clock.now()
    assert counted(planned, "b") == 3


@pytest.mark.parametrize(("planned", "value"), DAMAGE, indirect=["planned"])
def test_the_earliest_next_run_is_found_among_damaged_ones(planned: Ledger, value: str | None) -> None:
    write_by_hand(planned, "next_run_at", value)
    planned.change("b", next_run_at=planned.clock.now() + timedelta(minutes=1))
    found = planned.store.read(lambda tx: schedules.next_due_at(tx, planned.version_id))
    assert found is None or found <= planned.clock.now() + timedelta(minutes=1), "sleeping too short costs a look"
