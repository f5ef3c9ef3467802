"""What goes into the database comes out the same, on every database; what cannot go in is refused, never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import literal, select, update

from matins.domain.states import RunId
from matins.errors import StoreError
from matins.execution.outcome import clean
from matins.store import logs
from matins.store.logs import StoredLine
from matins.store.tables import job_run, job_schedule
from tests.kit import START, Ledger, definition

INSTANTS = [
    datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 7, 1, 12, 0, 0, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(8999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
TEXTS = [
    "plain",
    "Grüße, Ελληνικά, 日本語",
    "emoji 🦉🌙 and 𝔣𝔬𝔲𝔯 bytes",
    "quotes ' \" ` and \\ back\\slashes \\u0041 %s :name {x}",
    "lines\nand\ttabs\r\n and \x1b[31mescapes\x1b[0m \x7f",
    "x" * 300_000,
    "",
]


def claimed(ledger: Ledger) -> Any:
    ledger.declare(definition("a"))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    [claim] = ledger.claim()
    return claim


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_an_instant_comes_back_in_utc_to_the_microsecond(ledger: Ledger, instant: datetime) -> None:
    ledger.declare(definition("a"))
    ledger.change("a", next_run_at=instant, planned_through=instant)
    schedule = ledger.schedule("a")
    assert schedule.next_run_at == instant
    assert schedule.next_run_at.utcoffset() == timedelta(0)
    ledger.store.write(
        lambda tx: tx.dialect.update_many(
            tx.connection, job_schedule, ["id"], [{"id": "a", "last_success_at": instant}]
        )
    )
    assert ledger.schedule("a").last_success_at == instant


def test_instants_compare_in_the_database_as_they_do_in_python(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"s{n}") for n in range(len(INSTANTS))))
    for number, instant in enumerate(INSTANTS):
        ledger.change(f"s{number}", next_run_at=instant)
    query = select(job_schedule.c.next_run_at).order_by(job_schedule.c.next_run_at)
    found = [row.next_run_at for row in ledger.store.read(lambda tx: tx.rows(query))]
    assert found == sorted(INSTANTS)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_text_in_results_errors_and_logs_comes_back_as_it_was(ledger: Ledger, text: str) -> None:
    claim = claimed(ledger)
    result = {"text": text, "list": [text, None, True, 1.5, 10**15]}
    ledger.finish(
        claim, result=result, error_type="ValueError", error_message=text, error_traceback=text, notes=(text[:90],)
    )
    line = StoredLine(number=1, at=ledger.clock.now(), stream="stdout", level="INFO", text=text)
    ledger.store.write(lambda tx: logs.append(tx, [(claim.id, [line])]))
    [run] = ledger.runs()
    assert run.result == result
    assert (run.error_message, run.error_traceback, run.notes) == (text, text, [text[:90]])
    assert ledger.store.read(lambda tx: logs.read(tx, RunId(claim.id))) == [line]


@pytest.mark.parametrize("text", ["nul \x00 byte", "half \ud83e of a pair", "\udcff"], ids=ascii)
def test_text_no_database_takes_is_cleaned_before_the_store(ledger: Ledger, text: str) -> None:
    claim = claimed(ledger)
    cleaned = clean(text)
    ledger.finish(claim, result={"text": cleaned}, error_type=cleaned, error_message=cleaned, notes=(cleaned,))
    [run] = ledger.runs()
    assert (run.error_message, run.result, run.notes) == (cleaned, {"text": cleaned}, [cleaned])


@pytest.mark.parametrize("text", ["nul \x00 byte", "half \ud83e of a pair"], ids=ascii)
def test_an_outcome_that_cannot_be_stored_is_refused_whole_and_can_be_stored_as_that(ledger: Ledger, text: str) -> None:
    claim = claimed(ledger)
    try:
        ledger.finish(claim, error_message=text)
    except StoreError:
        assert [run.status for run in ledger.runs()] == ["running"]
        assert ledger.finish(claim, error_message="it could not be stored").ended
        return
    [run] = ledger.runs()
    assert run.status == "succeeded", "a database that takes it keeps it"
    assert run.error_message.replace("\x00", "") == text.replace("\x00", "")


def test_more_than_a_column_holds_is_not_cut_in_silence(ledger: Ledger) -> None:
    claim = claimed(ledger)
    try:
        ledger.finish(claim, exit="x" * 300)
    except StoreError:
        assert [run.status for run in ledger.runs()] == ["running"]
    else:
        assert ledger.runs()[0].exit == "x" * 300, "SQLite has no limit"


def test_a_batch_of_many_long_outcomes_and_logs_can_be_stored(ledger: Ledger) -> None:
    ledger.declare(*(definition(f"s{n}") for n in range(24)))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    claims = ledger.claim()
    noise = "\x1b" * 150_000
    lines = [(one.id, [StoredLine(number=1, at=START, stream="stdout", level=None, text=noise)]) for one in claims]
    ledger.store.write(lambda tx: logs.append(tx, lines))
    ledger.finish(*claims, error_message=noise, error_traceback=noise)
    assert [run.error_message == run.error_traceback == noise for run in ledger.runs()] == [True] * 24
    assert ledger.store.read(lambda tx: logs.read(tx, RunId(claims[-1].id)))[0].text == noise


def test_lines_keep_their_order_and_their_microseconds(ledger: Ledger) -> None:
    claim = claimed(ledger)
    lines = [
        StoredLine(number=n, at=START + timedelta(microseconds=n * 333_333), stream="stderr", level=None, text=str(n))
        for n in range(1, 50)
    ]
    for piece in (lines[:20], lines[20:], lines[:20]):
        ledger.store.write(lambda tx, piece=piece: logs.append(tx, [(claim.id, piece)]))
    assert ledger.store.read(lambda tx: logs.read(tx, RunId(claim.id))) == lines
    assert ledger.store.read(lambda tx: logs.read(tx, RunId(claim.id), after=17, limit=5)) == lines[17:22]


def test_ids_are_compared_by_their_bytes(ledger: Ledger) -> None:
    ledger.declare(definition("feed"), definition("Feed"), definition("féed"), definition("feed "))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    assert [len(ledger.occurrences(id_)) for id_ in ("feed", "Feed", "féed", "feed ")] == [1, 1, 1, 1]


def test_an_update_that_changes_nothing_counts_what_it_matched(ledger: Ledger) -> None:
    ledger.declare(definition("a"))
    statement = update(job_schedule).where(job_schedule.c.id == "a").values(name="same")
    assert [ledger.store.write(lambda tx: tx.execute(statement).rowcount) for _ in range(2)] == [1, 1]
    rows = [{"id": "a", "name": "same"}, {"id": "nobody", "name": "same"}]
    count = ledger.store.write(lambda tx: tx.dialect.update_many(tx.connection, job_schedule, ["id"], rows))
    assert count == 1


@pytest.mark.parametrize("many", [0, 1, 2000])
def test_any_number_of_values_can_be_asked_for(ledger: Ledger, many: int) -> None:
    ledger.declare(definition("a"))
    ids = ["a", *(f"s{n}" for n in range(many))] if many else []
    query = select(job_schedule.c.id)
    found = ledger.store.read(lambda tx: tx.rows(query.where(tx.dialect.is_one_of(job_schedule.c.id, ids))))
    assert [row.id for row in found] == (["a"] if many else [])


def test_the_database_decides_what_time_it_is_unless_told(ledger: Ledger) -> None:
    from matins.clock import SystemClock
    from matins.store.engine import Store

    store = Store(ledger.store.url.render_as_string(hide_password=False))
    try:
        now = store.read(lambda tx: tx.now)
        assert now.utcoffset() == timedelta(0)
        assert abs(now - SystemClock().now()) < timedelta(minutes=1)
        assert store.read(lambda tx: tx.execute(select(literal(1))).scalar_one()) == 1
    finally:
        store.close()


def test_bulk_inserts_number_rows_in_their_order(ledger: Ledger) -> None:
    ledger.declare(definition("a", jobs=("work", "other", "third"), parallel=3))
    ledger.pass_time(minutes=1)
    ledger.plan_all()
    query = select(job_run.c.position).order_by(job_run.c.id)
    assert [row.position for row in ledger.store.read(lambda tx: tx.rows(query))] == [0, 1, 2]
