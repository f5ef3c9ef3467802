"""Deploys: the code owns definitions, operators own state, and no deploy fires for the past or loses a fire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Text, type_coerce, update

from matins.domain.job import Job
from matins.domain.states import MissedPolicy, ScheduleId
from matins.domain.triggers import StoredTrigger, cron, every
from matins.errors import DefinitionError
from matins.ledger.definitions import SyncedBatch, set_aside_vanished, sync_definitions
from matins.store import schedules, versions
from matins.store.engine import Tx
from matins.store.tables import job_schedule
from tests.kit import START, Ledger, definition
from tests.ledgers import counted, disable, enable, proposals


def vanish(ledger: Ledger, *live: int) -> list[ScheduleId]:
    """The sweep of a daemon, when only these versions of the code are alive."""

    def work(tx: Tx) -> list[ScheduleId]:
        return set_aside_vanished(tx, versions.vanished(tx, "shop", set(live), 100))

    gone: list[ScheduleId] = []
    while found := ledger.store.write(work):
        gone += found
    return gone


def deploy_all(ledger: Ledger, *definitions: Any) -> SyncedBatch:
    """Synchronise until nothing is left unfinished."""
    done = ledger.declare(*definitions)
    last = done
    while last.unfinished:
        rest = last.unfinished
        last = ledger.store.write(lambda tx: sync_definitions(tx, "shop", rest))  # noqa: B023
    return last if done.unfinished else done


def test_a_new_schedule_arrives_disabled_and_plans_from_then(ledger: Ledger) -> None:
    wanted = definition("a", enabled=False)
    assert ledger.declare(wanted).added == ("a",)
    schedule = ledger.schedule("a")
    assert (schedule.enabled, schedule.disabled_since, schedule.planned_through) == (False, START, START)
    assert schedule.next_run_at == START + timedelta(minutes=1)


@pytest.mark.parametrize("switched_on", [True, False])
def test_a_deploy_never_changes_what_operators_switched(ledger: Ledger, switched_on: bool) -> None:
    ledger.declare(definition("a", enabled=not switched_on))
    enable(ledger, "a") if switched_on else disable(ledger, "a")
    for wanted in (
        definition("a", enabled=not switched_on),
        definition("a", enabled=not switched_on, description="new"),
        definition("a", every(minutes=3), enabled=not switched_on),
    ):
        ledger.pass_time(minutes=1)
        ledger.declare(wanted)
        assert ledger.schedule("a").enabled is switched_on


def test_the_same_code_deployed_again_changes_nothing(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    before = ledger.schedule("a")
    ledger.pass_time(minutes=10)
    done = ledger.declare(definition("a"))
    assert (done.added, done.changed, done.returned) == ((), (), ())
    assert ledger.schedule("a") == before


def test_a_changed_trigger_plans_from_then_and_never_fires_for_the_past(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL))
    ledger.pass_time(hours=2, minutes=30)
    changed = definition("a", every(minutes=1), missed=MissedPolicy.RUN_ALL)
    assert ledger.declare(changed).changed == ("a",)
    assert ledger.outcomes() == [("skipped", "superseded", 2)]
    schedule = ledger.schedule("a")
    assert schedule.planned_through == ledger.clock.now()
    assert schedule.next_run_at == ledger.clock.now() + timedelta(minutes=1)
    ledger.plan_all()
    assert len(ledger.occurrences()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "Every feed"},
        {"jobs": ("other",)},
        {"missed": MissedPolicy.RUN_ONCE},
        {"timeout_seconds": 5},
        {"environments": ("production", "staging")},
    ],
)
def test_what_is_not_about_timing_changes_no_fire(ledger: Ledger, changes: dict[str, Any]) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1, seconds=10)
    assert ledger.declare(definition("a", **changes)).changed == ("a",)
    ledger.plan_all()
    [row] = ledger.occurrences()
    assert (row.status, row.planned_at) == ("pending", START + timedelta(minutes=1))


@pytest.mark.parametrize(
    "later",
    [definition("a", cron("0 * * * *", tz="Europe/London")), definition("a", cron("0 * * * *"), jitter_seconds=9)],
)
def test_another_zone_or_jitter_is_another_timing(ledger: Ledger, later: Any) -> None:
    ledger.declare(definition("a", cron("0 * * * *")))
    ledger.pass_time(hours=1, minutes=5)
    ledger.declare(later)
    assert ledger.outcomes() == [("skipped", "superseded", 1)]


def test_the_fires_of_a_changed_trigger_while_disabled_were_disabled(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), enabled=False))
    ledger.pass_time(hours=2, minutes=30)
    ledger.declare(definition("a", every(minutes=10), enabled=False))
    assert ledger.outcomes() == [("skipped", "disabled", 2)]
    ledger.pass_time(minutes=30)
    enable(ledger, "a")
    ledger.plan_all()
    assert ledger.outcomes() == [("skipped", "disabled", 2), ("skipped", "disabled", 3)]


def test_a_change_after_years_is_counted_in_several_turns(ledger: Ledger) -> None:
    ledger.declare(definition("a", cron("* * * * *")))
    ledger.pass_time(days=8, seconds=30)
    changed = definition("a", every(hours=1))
    assert ledger.declare(changed).unfinished == (changed,)
    deploy_all(ledger, changed)
    assert counted(ledger, "a") == 8 * 24 * 60
    assert {row.reason for row in ledger.occurrences()} == {"superseded"}
    assert ledger.schedule("a").planned_through == ledger.clock.now()


def test_a_schedule_that_left_the_code_has_its_last_fires_recorded_and_is_kept(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1)), definition("b", every(hours=1)))
    ledger.pass_time(hours=2, minutes=30)
    ledger.declare(definition("b", every(hours=1)))
    assert vanish(ledger, ledger.version_id) == ["a"]
    assert ledger.outcomes("a") == [("skipped", "not_in_code", 2)]
    schedule = ledger.schedule("a")
    assert (schedule.enabled, schedule.next_run_at) == (True, None)
    assert schedule.removed_at == ledger.clock.now()
    ledger.pass_time(hours=1)
    ledger.plan_all()
    assert counted(ledger, "a") == 2
    assert vanish(ledger, ledger.version_id) == []


def test_what_a_live_older_version_declares_has_not_vanished(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    old = ledger.version_id
    ledger.declare(definition("b"))
    assert vanish(ledger, old, ledger.version_id) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_schedule_that_returns_plans_from_then(ledger: Ledger, enabled: bool) -> None:
    ledger.declare(definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL, enabled=enabled))
    ledger.declare()
    vanish(ledger, ledger.version_id)
    ledger.pass_time(hours=5, minutes=30)
    done = ledger.declare(definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL, enabled=enabled))
    assert done.returned == ("a",)
    assert ledger.outcomes() == [("skipped", "not_in_code" if enabled else "disabled", 5)]
    schedule = ledger.schedule("a")
    assert (schedule.enabled, schedule.removed_at) == (enabled, None)
    ledger.pass_time(minutes=30)
    ledger.plan_all()
    assert counted(ledger, "a") == (6 if enabled else 5)


def test_an_id_of_another_application_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    with pytest.raises(DefinitionError, match="schedule 'a': belongs to the application 'shop'"):
        ledger.store.write(lambda tx: sync_definitions(tx, "bank", [definition("b"), definition("a", every(hours=9))]))
    assert ledger.schedule("a").app == "shop"
    assert ledger.store.read(lambda tx: schedules.count_enabled(tx, "bank")) == 0


def test_another_applications_schedules_do_not_vanish(ledger: Ledger) -> None:
    ledger.store.write(lambda tx: sync_definitions(tx, "bank", [definition("b")]))
    ledger.declare(definition("a"))
    assert vanish(ledger, ledger.version_id) == []


def test_schedules_of_another_environment_are_known_but_not_planned(ledger: Ledger) -> None:
    ledger.declare(definition("a", environments=("development",)), definition("b"))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    assert [row.schedule_id for row in ledger.occurrences()] == ["b"]
    assert vanish(ledger, ledger.version_id) == []
    assert ledger.schedule("a").removed_at is None


def test_of_two_versions_side_by_side_each_plans_only_its_own_wording(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    old = ledger.version_id
    ledger.declare(definition("a", jobs=("other",)), definition("b"))
    new = ledger.version_id
    ledger.pass_time(minutes=1)
    ledger.version_id = old
    assert [one.schedule.id for one in proposals(ledger)] == ["b"]
    ledger.version_id = new
    assert [one.schedule.id for one in proposals(ledger)] == ["a", "b"]


def test_a_wording_only_dead_code_has_is_replaced_by_that_of_the_living(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    old = ledger.version_id
    ledger.declare(definition("a", jobs=("other",)))
    new = ledger.version_id
    find = lambda live: ledger.store.read(lambda tx: versions.reassertable(tx, "shop", old, live, 10))  # noqa: E731
    assert find({old, new}) == []
    assert find({old}) == ["a"]
    ledger.store.write(lambda tx: sync_definitions(tx, "shop", [definition("a")]))
    assert find({old}) == []
    ledger.version_id = old
    ledger.pass_time(minutes=1)
    assert len(proposals(ledger)) == 1


def test_an_occurrence_under_way_keeps_the_jobs_it_was_planned_with(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other"), stop_on_failure=True))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    [claim] = ledger.claim()
    ledger.declare(definition("a", jobs=("third",)))
    ledger.finish(claim)
    assert [claim.job for claim in ledger.claim()] == ["other"]


def test_a_trigger_of_the_users_own_goes_on_when_its_fires_are_stored_anew(ledger: Ledger) -> None:
    def own(first: int, last: int) -> Any:
        fires = tuple(START + timedelta(minutes=minute) for minute in range(first, last))
        return definition("a", StoredTrigger(type="shop:Own", description="own", fires=fires, complete=False))

    ledger.declare(own(1, 4))
    ledger.pass_time(minutes=2)
    ledger.plan_all()
    ledger.pass_time(minutes=1)
    done = ledger.declare(own(3, 9))
    assert done.unfinished == ()
    ledger.plan_all()
    ledger.pass_time(minutes=3)
    ledger.plan_all()
    assert counted(ledger, "a") == 6
    assert "superseded" not in {row.reason for row in ledger.occurrences()}


def test_jobs_are_recorded_with_the_version_that_declares_them(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    stored = ledger.store.read(lambda tx: versions.jobs_of(tx, ledger.version_id))
    assert {name: Job.from_data(data) for name, data in stored.items()} == ledger.jobs


DAMAGE = ["garbage", "", "{}", "[1]", '"text"', '{"trigger":{"kind":"every"},"jobs":5,"missed":"x","overlap":"y"}']


def damage(ledger: Ledger, text: str) -> None:
    statement = update(job_schedule).where(job_schedule.c.id == "a")
    raw = type_coerce(text, Text)
    ledger.store.write(lambda tx: tx.execute(statement.values({job_schedule.c.definition: raw})))


@pytest.mark.parametrize("text", DAMAGE)
def test_a_stored_definition_that_cannot_be_read_stops_no_deploy(ledger: Ledger, text: str) -> None:
    ledger.declare(definition("a", every(hours=1)), definition("b", every(hours=1)))
    damage(ledger, text)
    ledger.pass_time(hours=2, minutes=30)
    deploy_all(ledger, definition("a", every(minutes=30)), definition("b", every(minutes=30)))
    assert ledger.outcomes("b") == [("skipped", "superseded", 2)]
    assert ledger.schedule("a").planned_through == ledger.clock.now()
    ledger.pass_time(minutes=30)
    ledger.plan_all()
    assert ledger.outcomes("a")[-1] == ("pending", None, 1)


@pytest.mark.parametrize("text", DAMAGE)
def test_what_was_set_aside_comes_back_with_a_deploy_and_its_fires_are_recorded(ledger: Ledger, text: str) -> None:
    ledger.declare(definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL))
    damage(ledger, text)
    ledger.store.write(lambda tx: schedules.quarantine(tx, ScheduleId("a"), "it cannot be read"))
    ledger.pass_time(hours=3, minutes=30)
    ledger.plan_all()
    assert ledger.occurrences() == []
    deploy_all(ledger, definition("a", every(hours=1), missed=MissedPolicy.RUN_ALL))
    assert ledger.outcomes() == [("skipped", "quarantined", 3)]
    schedule = ledger.schedule("a")
    assert (schedule.quarantined_at, schedule.quarantine_reason) == (None, None)
    ledger.pass_time(minutes=30)
    ledger.plan_all()
    assert ledger.outcomes()[-1] == ("pending", None, 1)


def test_a_schedule_set_aside_while_disabled_stays_disabled(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), enabled=False))
    ledger.store.write(lambda tx: schedules.quarantine(tx, ScheduleId("a"), "it cannot be read"))
    ledger.pass_time(hours=3, minutes=30)
    deploy_all(ledger, definition("a", every(hours=1), enabled=False))
    assert not ledger.schedule("a").enabled
    enable(ledger, "a")
    ledger.plan_all()
    assert counted(ledger, "a") == 3
    assert {row.reason for row in ledger.occurrences()} == {"disabled"}
