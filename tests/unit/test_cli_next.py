"""``matins next`` for expressions."""

from __future__ import annotations

import json

import pytest

from matins.cli.main import main


def test_json_has_the_apis_names_and_utc_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 2 * * *", "--tz", "Europe/Berlin", "-n", "2", "--from", "2026-11-24T00:00Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "trigger": "0 2 * * *",
        "triggerDescription": "At 02:00 every day (Europe/Berlin)",
        "timezone": "Europe/Berlin",
        "upcoming": ["2026-11-24T01:00:00Z", "2026-11-25T01:00:00Z"],
    }


def test_the_time_it_counts_from_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["next", "0 2 * * *", "-n", "1", "--from", "2026-11-24T02:00Z", "--json"])
    assert json.loads(capsys.readouterr().out)["upcoming"] == ["2026-11-24T02:00:00Z"]


def test_another_zone_has_a_column_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    main(["next", "0 2 * * *", "--tz", "America/New_York", "-n", "1", "--from", "2026-11-24T00:00Z"])
    heading, row = capsys.readouterr().out.splitlines()
    assert "IN AMERICA/NEW_YORK" in heading
    assert "2026-11-24 02:00:00" in row
    assert "07:00" in row


def test_as_many_as_asked_for_are_shown_and_ten_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    main(["next", "* * * * *"])
    assert len(capsys.readouterr().out.splitlines()) == 11
    main(["next", "* * * * *", "-n", "3"])
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize(("flag", "expected"), [([], "never"), (["--json"], '"upcoming": []')])
def test_an_expression_that_never_fires_says_so(
    capsys: pytest.CaptureFixture[str], flag: list[str], expected: str
) -> None:
    assert main(["next", "0 0 31 2 *", *flag]) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["61 * * * *"], "61"),
        (["@reboot"], "@reboot"),
        (["@daily", "--tz", "Mars/Base"], "Mars/Base"),
        (["@daily", "--from", "soon"], "soon"),
        (["@daily", "-n", "0"], "-n"),
        (["@daily", "-n", "1001"], "-n"),
    ],
)
def test_a_wrong_value_is_named_and_exits_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["next", *arguments]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""
