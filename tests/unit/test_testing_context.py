"""The context that users' tests call a job with."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from matins import JobContext
from matins.testing import ProgressReport, context

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_job_sees_what_the_test_says() -> None:
    ctx = context(job="sync", schedule_id="daily", fire_at=NOON, kind="catch_up", args={"a": 1}, attempt=2, fence=7)
    assert isinstance(ctx, JobContext)
    assert (ctx.job, ctx.schedule_id, ctx.fire_at, ctx.kind) == ("sync", "daily", NOON, "catch_up")
    assert (ctx.is_catch_up, ctx.args, ctx.attempt, ctx.fence) == (True, {"a": 1}, 2, 7)
    assert ctx.last_success_at is None


def test_progress_and_log_lines_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    ctx = context(job="sync")
    ctx.progress(0.5, "half")
    ctx.log.debug("read %d rows", 3)
    assert ctx.reports == (ProgressReport(fraction=0.5, message="half"),)
    assert ctx.log_lines == ("read 3 rows",)
    assert ctx.log_records[0].levelno == logging.DEBUG
    assert "read 3 rows" in caplog.text


def test_two_contexts_of_one_job_do_not_hear_each_other() -> None:
    first, second = context(job="sync"), context(job="sync")
    first.log.info("one")
    second.log.info("two")
    assert (first.log_lines, second.log_lines) == (("one",), ("two",))


def test_a_job_that_looks_is_asked_to_stop_after_so_many_looks() -> None:
    ctx = context(stop_after=2)
    assert [ctx.cancelled for _ in range(4)] == [False, False, True, True]


def test_a_job_is_asked_to_stop_when_the_test_says_so() -> None:
    ctx = context()
    assert not ctx.cancelled
    ctx.ask_to_stop()
    assert ctx.cancelled


def test_deadline_and_soft_timeout_go_by_the_contexts_own_clock() -> None:
    ctx = context(fire_at=NOON, timeout="10m", soft_timeout="8m")
    assert ctx.deadline == NOON + timedelta(minutes=10)
    assert not ctx.soft_timeout
    ctx.clock.advance(timedelta(minutes=8))
    assert ctx.soft_timeout
    assert ctx.deadline == NOON + timedelta(minutes=10)
    assert context().deadline is None


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="nightly"):
        context(kind="nightly")
