"""``matins check``: settings and definitions, all faults at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matins.cli.main import main
from matins.config import variables

SOUND = """
from matins import Matins, cron

app = Matins()

@app.job(tags=["feed"])
def refresh():
    pass

app.schedule("feed-refresh", cron("*/15 * * * *"), jobs={"tag": "feed"}, environments={"production"})
app.schedule("nightly", cron("0 2 * * *"), jobs="*")
"""
FAULTY = """
from matins import Matins, cron

app = Matins()

@app.job
def refresh():
    pass

app.schedule("x" * 51, cron("0 2 * * *"), jobs="*")
app.schedule("nightly", cron("0 2 * * *"), jobs=["no_such_job"])
"""


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with a sound app, a faulty one and one that cannot be imported."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound.py").write_text(SOUND)
    (tmp_path / "faulty.py").write_text(FAULTY)
    (tmp_path / "broken.py").write_text("raise RuntimeError('no fuse')\n")
    return tmp_path


def test_a_sound_app_is_counted_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--app", "sound:app", "check"]) == 0
    assert "Jobs: 1. Schedules: 2, of which 1 for development." in capsys.readouterr().out


def test_json_has_counts_and_no_faults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    assert main(["--app", "sound:app", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "app": "sound:app",
        "environment": "production",
        "declared": {"jobs": 1, "schedules": 2, "applying": 2},
        "faults": [],
        "warnings": [],
    }


def test_faults_of_settings_and_definitions_are_told_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("MATINS_CONCURENCY", "4")
    assert main(["--app", "faulty:app", "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fault", "fault", "fault", "warning"]
    told = "\n".join(lines)
    for each in ("eighty", "x" * 51, "no_such_job", "MATINS_CONCURRENCY"):
        assert each in told


@pytest.mark.parametrize("reference", ["broken:app", "absent:app", "sound:nothing"])
def test_an_app_that_cannot_be_loaded_is_a_fault(capsys: pytest.CaptureFixture[str], reference: str) -> None:
    assert main(["--app", reference, "check", "--json"]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["declared"] is None
    assert [fault["where"] for fault in report["faults"]] == [reference]
    assert "Traceback" not in captured.err


def test_a_reference_of_another_form_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--app", "sound.py", "check", "--json"]) == 1
    assert [fault["where"] for fault in json.loads(capsys.readouterr().out)["faults"]] == ["--app"]


def test_without_an_app_the_settings_are_still_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    assert main(["check", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [fault["where"] for fault in report["faults"]] == ["MATINS_APP", "PORT"]
