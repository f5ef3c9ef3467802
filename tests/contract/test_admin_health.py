"""Whether schedules run on time, on every database: each fault is named with a remedy, and sleep is no fault."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from matins.admin import pause, switch
from matins.admin.actor import Actor
from matins.admin.health import Health, health
from matins.domain.lease import LeaseTerms
from matins.domain.states import WorkerId
from matins.store import workers
from tests.kit import START, TERMS, Ledger, definition

ANN = Actor(name="ann", source="test")


@pytest.fixture
def ledger(lasting_ledger: Ledger) -> Ledger:
    lasting_ledger.begin_anew()
    return lasting_ledger


def beat(ledger: Ledger, id_: str = "w1", *, next_wake_at: datetime | None = None) -> None:
    ledger.store.write(lambda tx: workers.renew(tx, id_, TERMS, next_wake_at=next_wake_at, running=0))


def codes(found: Health) -> list[str]:
    return [problem.code for problem in found.problems]


def test_a_daemon_that_sleeps_for_long_is_healthy(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False))
    ledger.worker()
    ledger.pass_time(hours=5)
    beat(ledger, next_wake_at=ledger.clock.now() + timedelta(hours=1))
    found = health(ledger.store)
    assert (found.healthy, found.problems) == (True, ())


def test_no_daemon_is_a_problem_that_tells_of_the_last_one(ledger: Ledger) -> None:
    assert codes(health(ledger.store)) == ["no_daemon"]
    ledger.worker()
    ledger.store.write(lambda tx: workers.stop(tx, "w1", "asked to stop"))
    [problem] = health(ledger.store).problems
    assert problem.what == "No daemon is running. The last one, on host, is STOPPED: asked to stop."
    assert "matins daemon" in problem.remedy


def test_a_heartbeat_older_than_asked_for_is_a_problem(ledger: Ledger) -> None:
    ledger.worker()
    ledger.pass_time(seconds=300)
    assert health(ledger.store).healthy
    assert codes(health(ledger.store, 299)) == ["heartbeat_too_old"]
    ledger.pass_time(seconds=1)
    assert codes(health(ledger.store)) == ["heartbeat_too_old"]


def test_an_announced_wake_up_that_passed_a_minute_ago_is_a_wedged_scheduler(ledger: Ledger) -> None:
    ledger.worker()
    beat(ledger, next_wake_at=START + timedelta(seconds=10))
    ledger.pass_time(seconds=70)
    assert health(ledger.store).healthy
    ledger.pass_time(seconds=1)
    [problem] = health(ledger.store).problems
    assert problem.code == "scheduling_wedged"
    assert "w1 on host announced to look for due schedules at 2026-03-01 12:00:10 UTC" in problem.what


def test_a_daemon_that_beats_slowly_is_given_until_its_next_heartbeat(ledger: Ledger) -> None:
    ledger.worker()
    slow = LeaseTerms(timeout_seconds=600)
    ledger.store.write(lambda tx: workers.renew(tx, WorkerId("w1"), slow, next_wake_at=START, running=0))
    ledger.pass_time(seconds=200)
    assert health(ledger.store).healthy
    ledger.pass_time(seconds=1)
    assert codes(health(ledger.store)) == ["scheduling_wedged"]


def test_a_wedged_daemon_beside_one_that_plans_the_same_is_none(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.worker("w2")
    beat(ledger, "w1", next_wake_at=START)
    beat(ledger, "w2", next_wake_at=START + timedelta(hours=1))
    ledger.pass_time(seconds=90)
    assert health(ledger.store).healthy


def test_a_schedule_later_than_its_grace_and_a_margin_is_a_problem_that_names_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("patient", grace_seconds=3600), definition("off", enabled=False))
    ledger.worker()
    ledger.pass_time(minutes=3)
    beat(ledger)
    assert health(ledger.store).healthy
    ledger.pass_time(seconds=1)
    [problem] = health(ledger.store).problems
    assert problem.code == "schedules_late"
    assert problem.what == "Later than they may be: a (due 2026-03-01 12:01:00 UTC)."
    assert "`matins explain a --at 2026-03-01T12:01:00Z`" in problem.remedy


def test_what_no_running_code_plans_is_not_late(ledger: Ledger) -> None:
    ledger.declare(definition("gone"))
    ledger.declare(definition("elsewhere", environments=("staging",)))
    ledger.worker()
    ledger.pass_time(hours=1)
    beat(ledger)
    assert health(ledger.store).healthy


def test_a_pause_excuses_lateness_and_a_schedule_just_enabled_is_not_late(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", enabled=False))
    ledger.worker()
    ledger.pass_time(hours=1)
    beat(ledger)
    switch.enable(ledger.store, ANN, "b")
    [problem] = health(ledger.store).problems
    assert "b (" not in problem.what
    pause.pause(ledger.store, ANN)
    found = health(ledger.store)
    assert (found.healthy, found.daemon.paused) == (True, True)
