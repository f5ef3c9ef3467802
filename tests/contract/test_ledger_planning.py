"""Plans are written whole or not at all, and each fire once, whoever else plans at the same moment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from matins.domain.states import MissedPolicy, OccurrenceKind, OccurrenceStatus
from matins.domain.triggers import at, cron, every
from matins.errors import StoreError
from matins.ledger.plans import Written, write_plans
from matins.store.engine import Store, Tx
from matins.store.tables import job_schedule, occurrence
from tests.kit import START, Ledger, definition
from tests.ledgers import counted, disable, enable, proposals


@contextmanager
def failure_after(store: Store, beginning: str) -> Iterator[list[str]]:
    """The connection breaks after the first statement that begins so; the statements that were hit are listed."""
    hit: list[str] = []

    def fail(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not re.sub('["`]', "", statement).startswith(beginning) or hit:
            return
        hit.append(statement)
        if store.dialect.name == "sqlite":
            raise StoreError("a connection that is a file cannot be lost")
        connection.connection.dbapi_connection.close()

    event.listen(store.engine, "after_cursor_execute", fail)
    yield hit
    event.remove(store.engine, "after_cursor_execute", fail)


@pytest.mark.parametrize(
    "lost_after", ["INSERT INTO occurrence", "INSERT INTO job_run", "UPDATE", "SELECT job_schedule"]
)
def test_a_plan_whose_transaction_fails_loses_nothing(ledger: Ledger, lost_after: str) -> None:
    ledger.declare(definition("a"), definition("b", cron("* * * * *")))
    ledger.pass_time(minutes=1)
    wanted = proposals(ledger)
    with failure_after(ledger.store, lost_after) as hit, pytest.raises(StoreError):
        ledger.store.write(lambda tx: write_plans(tx, wanted, ledger.jobs, chance=lambda: 0.5))
    assert hit
    assert ledger.occurrences() == []
    assert ledger.runs() == []
    assert {ledger.schedule(id_).planned_through for id_ in ("a", "b")} == {START}
    ledger.plan_all()
    assert [row.schedule_id for row in ledger.occurrences()] == ["a", "b"]
    assert len(ledger.claim()) == 2


def test_a_statement_that_fails_halfway_takes_the_whole_plan_with_it(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)

    wanted = proposals(ledger)

    def half(tx: Tx) -> None:
        write_plans(tx, wanted, ledger.jobs, chance=lambda: 0.5)
        tx.connection.exec_driver_sql("SELECT nothing FROM nowhere")

    with pytest.raises(StoreError):
        ledger.store.write(half)
    assert (ledger.occurrences(), ledger.schedule("a").planned_through) == ([], START)


def test_one_fire_has_one_row_whatever_is_inserted(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    [row] = ledger.occurrences()
    again = {
        "schedule_id": "a",
        "app": "shop",
        "kind": OccurrenceKind.SCHEDULED,
        "planned_at": row.planned_at,
        "fire_at": row.fire_at,
        "status": OccurrenceStatus.PENDING,
        "jobs": [],
        "created_at": START,
    }
    with pytest.raises(StoreError):
        ledger.store.write(lambda tx: tx.execute(insert(occurrence).values(again)))
    assert ledger.occurrences() == [row]


def test_two_planners_with_the_same_proposals_write_each_fire_once(ledger: Ledger, second_store: Store) -> None:
    ledger.declare(*(definition(f"s{n}", missed=MissedPolicy.RUN_ALL) for n in range(5)))
    ledger.pass_time(minutes=3)
    wanted = proposals(ledger)

    def write(tx: Tx) -> Written:
        return write_plans(tx, wanted, ledger.jobs, chance=lambda: 0.5)

    first = ledger.store.write(write)
    second = second_store.write(write)
    assert (len(first.plans), second.plans) == (5, [])
    assert second.more, "it is told to look again"
    assert len(ledger.occurrences()) == 15


def test_a_schedule_that_another_planner_holds_is_left_for_the_next_look(ledger: Ledger, second_store: Store) -> None:
    if not ledger.store.dialect.skips_locked:
        pytest.skip("one writer at a time: nobody else can hold a row")
    ledger.declare(definition("a"), definition("b"))
    ledger.pass_time(minutes=1)
    wanted = proposals(ledger)

    def holding(tx: Tx) -> Any:
        held = select(job_schedule.c.id).where(job_schedule.c.id == "a")
        tx.execute(tx.dialect.locked(held)).all()
        return second_store.write(lambda other: write_plans(other, wanted, ledger.jobs, chance=lambda: 0.5))

    written = ledger.store.write(holding)
    assert [id_ for id_, _ in written.plans] == ["b"]
    assert written.more
    ledger.plan_all()
    assert counted(ledger, "a") == counted(ledger, "b") == 1


def test_a_plan_is_dropped_when_its_schedule_changed_after_it_was_made(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    ledger.pass_time(minutes=1)
    wanted = proposals(ledger)
    ledger.declare(definition("a", every(minutes=5)), definition("b"))
    disable(ledger, "b")
    written = ledger.store.write(lambda tx: write_plans(tx, wanted, ledger.jobs, chance=lambda: 0.5))
    assert written.plans == []


def test_the_watermark_is_the_last_fire_accounted_for_and_never_goes_back(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(minutes=7)))
    marks = [ledger.schedule("a").planned_through]
    for _ in range(5):
        ledger.pass_time(minutes=5)
        ledger.plan_all()
        marks.append(ledger.schedule("a").planned_through)
    assert marks == sorted(marks)
    assert marks[-1] == ledger.occurrences("a")[-1].planned_at
    ledger.clock.advance(timedelta(hours=-2))
    ledger.plan_all()
    assert ledger.schedule("a").planned_through == marks[-1]


def test_nothing_is_planned_before_its_time(ledger: Ledger) -> None:
    ledger.declare(definition("a", jitter_seconds=600))
    offset = definition("a", jitter_seconds=600).jitter_offset
    assert ledger.schedule("a").next_run_at == START + timedelta(minutes=1) + offset
    ledger.clock.advance(timedelta(minutes=1) + offset - timedelta(microseconds=1))
    ledger.plan_all()
    assert ledger.occurrences() == []
    ledger.clock.advance(timedelta(microseconds=1))
    ledger.plan_all()
    [row] = ledger.occurrences()
    assert (row.planned_at, row.fire_at) == (START + timedelta(minutes=1), ledger.clock.now())


@pytest.mark.parametrize(
    ("missed", "runs"), [(MissedPolicy.SKIP, 0), (MissedPolicy.RUN_ONCE, 1), (MissedPolicy.RUN_ALL, 7)]
)
def test_seven_missed_fires_are_all_accounted_for_and_run_as_the_policy_says(
    ledger: Ledger, missed: MissedPolicy, runs: int
) -> None:
    ledger.declare(definition("a", every(hours=1), missed=missed))
    ledger.pass_time(hours=7, minutes=30)
    ledger.plan_all()
    assert counted(ledger, "a") == 7
    fires = []
    while claims := ledger.claim():
        fires += [claim.fire_at for claim in claims]
        ledger.finish(*claims)
    assert len(fires) == runs
    assert fires == sorted(fires)
    assert ledger.schedule("a").run_count == runs


def test_a_year_of_absence_is_counted_in_a_few_turns_and_few_rows(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b", cron("*/20 * * * *")))
    ledger.pass_time(days=365, seconds=30)
    ledger.plan_all()
    assert counted(ledger, "a") == 365 * 24 * 60
    assert counted(ledger, "b") == 365 * 24 * 3
    assert len(ledger.occurrences()) < 20


def test_a_single_fire_that_has_been_is_shown_as_never_firing_again(ledger: Ledger) -> None:
    ledger.declare(definition("a", at(START + timedelta(minutes=1))), definition("b", cron("0 0 31 2 *")))
    assert ledger.schedule("b").never_fires
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    schedule = ledger.schedule("a")
    assert (schedule.next_run_at, schedule.never_fires) == (None, True)
    ledger.pass_time(days=400)
    ledger.plan_all()
    assert counted(ledger, "a") == 1


def test_a_fire_in_the_last_year_there_is_counts_as_never(ledger: Ledger) -> None:
    ledger.declare(definition("a", at("9999-12-31T23:59:59+00:00"), jitter_seconds=60))
    schedule = ledger.schedule("a")
    assert (schedule.next_run_at, schedule.never_fires) == (None, True)


def test_enabling_writes_the_disabled_range_and_plans_from_then(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False, missed=MissedPolicy.RUN_ALL))
    ledger.pass_time(minutes=10, seconds=30)
    ledger.plan_all()
    assert ledger.occurrences() == []
    enable(ledger, "a")
    ledger.plan_all()
    [row] = ledger.occurrences()
    assert (row.status, row.reason, row.count) == ("skipped", "disabled", 10)
    assert (row.range_from, row.planned_at) == (START + timedelta(minutes=1), START + timedelta(minutes=10))
    schedule = ledger.schedule("a")
    assert (schedule.disabled_since, schedule.next_run_at) == (None, START + timedelta(minutes=11))
    ledger.pass_time(seconds=30)
    ledger.plan_all()
    assert ledger.outcomes()[1:] == [("pending", None, 1)]


def test_a_fire_that_was_due_when_the_schedule_was_disabled_is_recorded_as_missed(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1)))
    ledger.pass_time(hours=2, minutes=1)
    disable(ledger, "a")
    ledger.plan_all()
    assert ledger.occurrences() == []
    ledger.pass_time(hours=3)
    enable(ledger, "a")
    ledger.plan_all()
    assert ledger.outcomes() == [("skipped", "missed", 2), ("skipped", "disabled", 3)]


def test_enabling_does_not_fire_for_the_past_however_late_the_daemon_sees_it(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1), enabled=False, missed=MissedPolicy.RUN_ALL))
    ledger.pass_time(hours=3, minutes=1)
    enable(ledger, "a")
    ledger.pass_time(hours=2)
    ledger.plan_all()
    assert ledger.outcomes() == [("skipped", "disabled", 3), ("pending", None, 1), ("pending", None, 1)]


def test_a_long_time_off_is_counted_in_chunks(ledger: Ledger) -> None:
    ledger.declare(definition("a", cron("* * * * *"), enabled=False))
    ledger.pass_time(days=8, seconds=1)
    enable(ledger, "a")
    ledger.plan_all()
    assert counted(ledger, "a") == 8 * 24 * 60
    assert {row.reason for row in ledger.occurrences()} == {"disabled"}


def test_a_plan_made_before_a_schedule_was_switched_off_and_on_again_is_dropped(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False, missed=MissedPolicy.RUN_ALL))
    ledger.pass_time(minutes=2)
    enable(ledger, "a")
    wanted = proposals(ledger)
    disable(ledger, "a")
    ledger.pass_time(minutes=5)
    enable(ledger, "a")
    written = ledger.store.write(lambda tx: write_plans(tx, wanted, ledger.jobs, chance=lambda: 0.5))
    assert written.plans == []
    ledger.plan_all()
    assert {row.reason for row in ledger.occurrences()} == {"disabled"}
    assert counted(ledger, "a") == 7


def test_a_disabled_schedule_is_never_due(ledger: Ledger) -> None:
    ledger.declare(definition("a", enabled=False))
    ledger.pass_time(hours=1)
    assert proposals(ledger) == []
