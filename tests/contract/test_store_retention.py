"""Pruning history: the accounts still add up, nothing that may still happen is touched, and no fire comes back."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from sqlalchemy import func, select

from matins.domain.states import RunId
from matins.domain.triggers import every
from matins.store import logs, retention
from matins.store.logs import StoredLine
from matins.store.tables import job_log, job_run, outcome_rollup
from tests.kit import Ledger, definition
from tests.ledgers import counted

MONTH = timedelta(days=30)


def rolled_up(ledger: Ledger) -> dict[tuple[str, str], int]:
    totals: Counter[tuple[str, str]] = Counter()
    for row in ledger.store.read(lambda tx: tx.rows(select(outcome_rollup))):
        totals[row.status, row.reason] += row.count
    return totals


def prune(ledger: Ledger, older_than: timedelta = MONTH) -> int:
    total = 0
    while pruned := ledger.store.write(lambda tx: retention.prune_occurrences(tx, older_than)):
        total += pruned
    return total


def run_minutes(ledger: Ledger, minutes: int) -> None:
    for _ in range(minutes):
        ledger.pass_time(minutes=1)
        ledger.plan_all()
        ledger.finish(*ledger.claim())


def test_what_is_pruned_is_added_to_its_days_account(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    run_minutes(ledger, 3)
    ledger.pass_time(minutes=10, seconds=30)
    ledger.plan_all()
    ledger.finish(*ledger.claim())
    before = counted(ledger, "a")
    ledger.pass_time(days=31)
    assert prune(ledger) == 5
    assert rolled_up(ledger) == {("succeeded", ""): 4, ("skipped", "missed"): 9}
    assert sum(rolled_up(ledger).values()) == before
    assert ledger.store.read(lambda tx: tx.execute(select(func.count()).select_from(job_run)).scalar_one()) == 0


def test_pruning_again_adds_to_the_same_account(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    run_minutes(ledger, 1)
    prune(ledger, timedelta(seconds=-1))
    run_minutes(ledger, 2)
    prune(ledger, timedelta(seconds=-1))
    assert rolled_up(ledger) == {("succeeded", ""): 3}


def test_neither_what_is_young_nor_what_has_not_ended_is_pruned(ledger: Ledger) -> None:
    ledger.declare(definition("a"), definition("b"))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    [one] = ledger.claim(limit=1)
    ledger.pass_time(days=31)
    ledger.finish(one)
    assert prune(ledger) == 0
    ledger.pass_time(days=31)
    assert prune(ledger) == 1
    assert [row.status for row in ledger.occurrences()] == ["pending"]


def test_no_fire_comes_back_when_its_row_has_been_pruned(ledger: Ledger) -> None:
    ledger.declare(definition("a", every(hours=1)))
    ledger.pass_time(hours=3)
    ledger.plan_all()
    ledger.finish(*ledger.claim())
    prune(ledger, timedelta(seconds=-1))
    ledger.plan_all()
    assert ledger.occurrences() == []


def test_large_histories_are_pruned_in_pieces(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"s{n}", jobs=("work",)) for n in range(retention.BATCH // 2 + 10)))
    for _ in range(2):
        ledger.pass_time(minutes=1)
        ledger.plan_all()
    ledger.pass_time(days=31)
    ledger.finish(*ledger.claim(limit=1000))
    ledger.pass_time(days=31)
    first = ledger.store.write(lambda tx: retention.prune_occurrences(tx, MONTH))
    assert first == retention.BATCH
    assert first + prune(ledger) == 2 * (retention.BATCH // 2 + 10)
    assert sum(rolled_up(ledger).values()) == 2 * (retention.BATCH // 2 + 10)


def test_logs_go_before_the_history_they_belong_to(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    run_minutes(ledger, 1)
    run_id = RunId(ledger.runs()[0].id)
    line = StoredLine(number=1, at=ledger.clock.now(), stream="stdout", level=None, text="hello")
    ledger.store.write(lambda tx: logs.append(tx, [(run_id, [line])]))
    assert ledger.store.write(lambda tx: retention.prune_logs(tx, timedelta(days=7))) == 0
    ledger.pass_time(days=8)
    assert ledger.store.write(lambda tx: retention.prune_logs(tx, timedelta(days=7))) == 1
    assert ledger.store.read(lambda tx: tx.rows(select(job_log))) == []
    assert len(ledger.runs()) == 1
