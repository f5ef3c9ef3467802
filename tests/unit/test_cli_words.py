"""How records are worded for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from matins.admin.records import ErrorRecord, OccurrenceRecord, RunRecord
from matins.cli import words
from matins.cli.invocation import Invocation
from matins.clock import ManualClock

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def run(**values: Any) -> RunRecord:
    blank = dict.fromkeys(RunRecord.__dataclass_fields__)
    return RunRecord(**{**blank, "status": "succeeded", **values})


def occurrence(**values: Any) -> OccurrenceRecord:
    blank = dict.fromkeys(OccurrenceRecord.__dataclass_fields__)
    return OccurrenceRecord(**{**blank, "status": "succeeded", "count": 1, "runs": (), **values})


ERROR = ErrorRecord(type="ValueError", message="no feed\nsecond line", traceback=None)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (run(), "succeeded"),
        (run(status="failed", error=ERROR), "failed: ValueError: no feed"),
        (run(status="cancelled", reason="cancelled"), "cancelled"),
        (occurrence(status="skipped", reason="start_within"), "skipped: start within"),
        (occurrence(status="skipped", reason="missed", count=12), "skipped: missed, 12 fires"),
        (occurrence(status="failed", runs=(run(error=ERROR), run())), "failed: ValueError: no feed"),
        # An earlier attempt's error is not told of what succeeded in the end.
        (occurrence(runs=(run(status="failed", error=ERROR), run())), "succeeded"),
        (run(status="failed", error=ErrorRecord(type=None, message="  ", traceback=None)), "failed"),
    ],
)
def test_an_outcome_is_its_status_and_why(record: OccurrenceRecord | RunRecord, expected: str) -> None:
    assert words.outcome(record) == expected


def test_how_long_it_took_stands_beside_the_status() -> None:
    assert words.ended(run(status="failed", error=ERROR, duration_ms=4200)) == "failed after 4.2s: ValueError: no feed"
    assert words.ended(run()) == "succeeded"


def test_a_long_error_is_cut() -> None:
    told = words.problem(ErrorRecord(type="E", message="x" * 10_000, traceback=None))
    assert len(told) == words.LONGEST_ERROR
    assert told.endswith("…")


def test_who_did_what_when_is_told_as_far_as_it_is_known() -> None:
    call = Invocation(clock=ManualClock(NOW), zone=UTC)
    before = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    assert words.since(before, "ann", "cleaning", call) == "2h ago by ann: cleaning"
    assert words.since(before, None, None, call) == "2h ago"
    assert words.since(None, None, None, call) == ""
