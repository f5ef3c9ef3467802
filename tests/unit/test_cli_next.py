"""``matins next`` for expressions and for schedules of the app."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from matins.cli.main import main
from matins.config import variables

SHOP = """
from datetime import timedelta
from matins import Matins, cron

class Hourly:
    def next_after(self, instant):
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

app = Matins()

@app.job
def sync():
    pass

app.schedule("nightly", cron("0 2 * * *", tz="Europe/Berlin"), jobs="*", environments={"production"})
app.schedule("spread", cron("0 2 * * *"), jobs="*", jitter="10m")
app.schedule("own", Hourly(), jobs="*")
"""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text('[tool.matins]\napp = "shop:app"\n')


def upcoming(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[datetime]:
    assert main(["next", *arguments, "--json"]) == 0
    return [datetime.fromisoformat(each) for each in json.loads(capsys.readouterr().out)["upcoming"]]


def test_json_has_the_apis_names_and_utc_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 2 * * *", "--tz", "Europe/Berlin", "-n", "2", "--from", "2026-11-24T00:00Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "trigger": {"kind": "cron", "expression": "0 2 * * *", "tz": "Europe/Berlin", "day_match": "or"},
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


@pytest.mark.usefixtures("shop")
def test_a_schedule_is_told_in_its_own_zone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "nightly", "-n", "1", "--from", "2026-11-24T00:00Z"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert "IN EUROPE/BERLIN" in heading
    assert "2026-11-24 02:00:00" in row


@pytest.mark.usefixtures("shop")
def test_a_schedules_jitter_is_in_its_fire_times(capsys: pytest.CaptureFixture[str]) -> None:
    [fire] = upcoming(capsys, "spread", "-n", "1", "--from", "2026-11-24T00:00Z")
    offset = fire - datetime.fromisoformat("2026-11-24T02:00Z")
    assert 0 < offset.total_seconds() < 600
    assert upcoming(capsys, "spread", "-n", "1", "--from", fire.isoformat()) == [fire]


@pytest.mark.usefixtures("shop")
def test_a_users_own_trigger_is_told_as_far_as_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    fires = upcoming(capsys, "own", "-n", "1000", "--from", "2026-11-24T00:30Z")
    assert fires[0] == datetime.fromisoformat("2026-11-24T01:00Z")
    assert len(fires) == 100
    main(["next", "own", "-n", "1", "--json"])
    assert "fires" not in json.loads(capsys.readouterr().out)["trigger"]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["nigthly"], 1, "Did you mean 'nightly'? `matins schedules` lists all."),
        (["nightly", "--tz", "UTC"], 2, "Leave out --tz"),
    ],
)
def test_a_wrong_schedule_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, expected: str
) -> None:
    assert main(["next", *arguments]) == code
    assert expected in capsys.readouterr().err


@pytest.mark.usefixtures("shop")
def test_a_schedule_needs_code_or_a_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").unlink()
    assert main(["next", "nightly"]) == 1
    assert "matins.db does not exist" in capsys.readouterr().err
