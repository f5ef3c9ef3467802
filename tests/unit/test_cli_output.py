"""What commands print: tables, facts, JSON, faults; and that nothing printed can steer a terminal."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from matins.cli import output
from matins.cli.json_form import camel, plain, to_json
from matins.cli.suggest import did_you_mean, unknown
from matins.cli.tables import Column, clean, plain_table, rich_table
from matins.errors import ConfigError, DefinitionError, Fault, NotFoundError

COLUMNS = [Column(heading="Id"), Column(heading="Runs", right=True), Column(heading="Status")]
ROWS = [["feed-refresh", 7, "succeeded"], ["x", 12, None]]


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    next_run_at: datetime
    run_count: int
    args: dict[str, object]
    colour: Colour = Colour.RED


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_plain_table_is_aligned_and_has_no_trailing_blanks() -> None:
    assert plain_table(COLUMNS, ROWS).splitlines() == [
        "ID            RUNS  STATUS",
        "feed-refresh     7  succeeded",
        "x               12",
    ]


def test_a_pipe_gets_whole_lines_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(COLUMNS, [["i" * 300, 1, "failed"]], empty="None.")
    printed = capsys.readouterr().out
    assert "i" * 300 in printed
    assert "\x1b" not in printed


def test_a_terminal_gets_colours_and_keeps_markup_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    output.table(COLUMNS, [["[bold]x[/bold]", 1, "failed"]], empty="None.")
    output.facts({"Status": "failed", "Nothing": None})
    printed = terminal.getvalue()
    assert "\x1b[31mfailed" in printed
    assert "[bold]x[/bold]" in printed
    assert "Nothing" not in printed


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_plain_text(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.is_rich(Terminal())
    monkeypatch.setenv(name, value)
    assert not output.is_rich(Terminal())


def test_an_empty_table_says_so_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(COLUMNS, [], empty="No schedules.")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "No schedules.\n")


def test_facts_leave_out_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    output.facts({"Id": "x", "Description": "", "Locked by": None, "Run count": 0})
    assert capsys.readouterr().out == "Id         x\nRun count  0\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\tand", "two lines and"),
        ("nul\x00", "nul\\x00"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("bidi\u202e", "bidi\\u202e"),
        ("Grüße", "Grüße"),
        (None, ""),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(value: object, shown: str) -> None:
    assert clean(value) == shown


def test_a_rich_table_never_holds_an_escape_from_data() -> None:
    table = rich_table([Column(heading="Log", wraps=True)], [["\x1b]0;owned\x07"]])
    [cell] = table.columns[0].cells
    assert "\x1b" not in str(cell)


def test_json_renames_fields_and_leaves_the_users_keys_alone() -> None:
    thing = Thing(next_run_at=datetime(2026, 11, 24, 1, tzinfo=UTC), run_count=2, args={"my_key": [1, "é"]})
    assert json.loads(to_json([thing])) == [
        {"nextRunAt": "2026-11-24T01:00:00Z", "runCount": 2, "args": {"my_key": [1, "é"]}, "colour": "red"}
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(minutes=1.5), 90.0),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ((1, None, True), [1, None, True]),
        (Colour.RED, "red"),
        (ValueError("x"), "x"),
    ],
)
def test_json_knows_what_commands_hold(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_json_for_a_narrow_encoding_stays_valid() -> None:
    assert json.loads(to_json({"a": "é"}, ascii_only=True)) == {"a": "é"}
    assert to_json("é", ascii_only=True).isascii()


def test_names_become_those_of_the_api() -> None:
    assert [camel(name) for name in ("id", "next_run_at", "is_catch_up")] == ["id", "nextRunAt", "isCatchUp"]


def test_one_fault_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.fault(NotFoundError("There is no schedule 'x'.", remedy="`matins schedules` lists all."))
    output.fault(ConfigError([Fault(where="PORT", what="'x' is not a port.", remedy="Leave it unset.")]))
    assert capsys.readouterr().err.splitlines() == [
        "matins: There is no schedule 'x'. `matins schedules` lists all.",
        "matins: PORT: 'x' is not a port. Leave it unset.",
    ]


def test_several_faults_take_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    output.fault(DefinitionError([Fault(where="a", what="Bad."), Fault(where="b", what="Worse.")]))
    assert capsys.readouterr().err.splitlines() == ["matins: 2 things are wrong:", "  a: Bad.", "  b: Worse."]


def test_nothing_is_drawn_while_working_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.working("Loading"):
        pass
    assert capsys.readouterr().err == ""


def test_a_near_miss_is_named_and_a_far_one_is_not() -> None:
    known = ["feed-refresh", "feed-reset", "daily-full-sync"]
    assert did_you_mean("Feed-Refesh", known) == "Did you mean 'feed-refresh' or 'feed-reset'?"
    assert did_you_mean("zzz", known) == ""
    error = unknown("schedule", "dayly-sync", known, listing="matins schedules")
    assert str(error).endswith("Did you mean 'daily-full-sync'? `matins schedules` lists all.")
    assert error.exit_code == 1
