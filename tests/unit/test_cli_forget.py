"""``matins forget`` asks before it deletes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from matins.cli.main import main
from matins.config import variables
from tests.kit import START, Ledger, definition


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def ledger(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A database with one schedule that vanished from the code."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    with closing(Ledger(sqlite_url)) as ledger:
        ledger.declare(definition("old"))
        ledger.change("old", removed_at=START)
        yield ledger


def answer(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))


def test_no_keeps_the_schedule(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "n\n")
    assert main(["forget", "old"]) == 1
    captured = capsys.readouterr()
    assert "Delete old and its history of 0 successes and 0 failures, for good? [y/N]" in captured.err
    assert captured.err.endswith("Nothing was deleted.\n")
    assert ledger.schedule("old").id == "old"


def test_yes_deletes_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, "y\n")
    assert main(["forget", "old"]) == 0
    assert capsys.readouterr().out.lstrip() == "Deleted old and 0 occurrences of it.\n"
    assert main(["show", "old"]) == 1


def test_one_that_is_in_the_code_is_refused_without_a_question(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.change("old", removed_at=None)
    assert main(["forget", "old"]) == 1
    assert "is not orphaned" in capsys.readouterr().err
