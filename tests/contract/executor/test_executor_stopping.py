"""A run that is to stop does, in time and truly, and its end says why."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import matins
from matins.domain.states import OnDoubt, OnLost, RunStatus
from matins.execution.port import Ended, Returned, StopReason
from tests.contract.executor.bench import Bench, wait_until_dead


def test_a_run_past_its_timeout_ends_as_timed_out_and_shows_where_it_was(bench: Bench) -> None:
    ended = bench.run("sleeps", timeout=0.3)
    assert ended.status is RunStatus.TIMED_OUT
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == ("TimedOut", "still running after 0.3 s")
    assert "in sleeps" in ended.error.traceback
    assert 0.3 <= ended.ended_at - ended.began_at < 2


@pytest.mark.parametrize("job", ["sleeps_async", "cleans_up"])
def test_a_stopped_job_runs_its_cleaning_up(bench: Bench, job: str) -> None:
    ended = bench.run(job, timeout=0.5, kill_after_seconds=5)
    assert ended.status is RunStatus.TIMED_OUT
    assert bench.texts(ended.run_id)[0].startswith("cleaned up")
    assert ended.ended_at - ended.began_at < 2


def test_code_that_catches_every_exception_is_stopped_all_the_same(bench: Bench) -> None:
    ended = bench.run("swallows_exceptions", timeout=0.3, kill_after_seconds=10)
    assert ended.status is RunStatus.TIMED_OUT
    assert ended.ended_at - ended.began_at < 2


@pytest.mark.parametrize("job", ["ignores_sigterm", "spins_in_c", "stops_itself"])
def test_a_job_that_does_not_stop_when_asked_is_killed(bench: Bench, job: str) -> None:
    run_id = bench.start(job, timeout=0.5, kill_after_seconds=0.3)
    pid = bench.interpreter()
    ended = bench.end_of(run_id)
    assert ended.status is RunStatus.TIMED_OUT
    assert ended.exit == "killed by SIGKILL"
    assert "it did not stop when asked, and was killed" in ended.notes
    assert 0.8 <= ended.ended_at - ended.began_at < 4
    assert wait_until_dead(pid, 0)


def test_an_interpreter_that_was_stopped_in_is_not_used_again(bench: Bench) -> None:
    before = bench.run("where").result["pid"]
    bench.run("sleeps", timeout=0.2)
    assert bench.run("where").result["pid"] != before


def test_a_cancelled_run_ends_as_cancelled_without_an_error(bench: Bench) -> None:
    run_id = bench.start("sleeps")
    bench.executor.stop(run_id, StopReason.CANCEL)
    ended = bench.end_of(run_id, within=3)
    assert (ended.status, ended.error) == (RunStatus.CANCELLED, None)


def test_a_job_that_looks_stops_by_itself_and_is_not_interrupted(bench: Bench) -> None:
    run_id = bench.start("looks", kill_after_seconds=10)
    bench.executor.stop(run_id, StopReason.CANCEL)
    ended = bench.end_of(run_id, within=3)
    assert ended.status is RunStatus.CANCELLED
    assert ended.notes == ("it had been asked to stop, and ended well all the same",)


def test_the_exception_that_stops_a_job_has_a_public_name() -> None:
    assert issubclass(matins.Cancelled, BaseException)
    assert not issubclass(matins.Cancelled, Exception)


def test_a_waiting_order_that_is_stopped_is_returned_and_never_begins(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "begun"
    bench.make_short("appends", args={"path": str(path), "word": "zero"})
    path.unlink()
    with bench.frozen():
        first, second = (
            bench.submit("appends", args={"path": str(path), "word": word}, on_lost=OnLost.RETRY)
            for word in ("one", "two")
        )
        bench.executor.stop(second, StopReason.CANCEL)
        bench.listen(0)
    assert bench.first(Returned, second).reason == "cancel"
    assert bench.end_of(first).status is RunStatus.SUCCEEDED
    assert path.read_text().split() == ["one"]


def test_a_result_that_has_arrived_counts_when_the_stop_comes_after(bench: Bench) -> None:
    """However close the two are, there is one end, and success only when the stop came later."""
    for _ in range(30):
        run_id = bench.submit("nothing")
        bench.executor.stop(run_id, StopReason.CANCEL)
        bench.until(lambda: not bench.unanswered)
        answers = [e for e in bench.events if isinstance(e, (Ended, Returned)) and e.run_id == run_id]
        assert len(answers) == 1
        if isinstance(answers[0], Ended):
            assert answers[0].status in (RunStatus.SUCCEEDED, RunStatus.CANCELLED)


def test_a_run_that_ends_at_its_very_timeout_ends_once(bench: Bench) -> None:
    bench.run("nothing")
    for delay in (0.048, 0.05, 0.0505, 0.051, 0.052):
        ended = bench.run("sleeps", args={"seconds": delay, "report": False}, timeout=0.05, kill_after_seconds=5)
        assert ended.status in (RunStatus.SUCCEEDED, RunStatus.TIMED_OUT)
        assert (ended.error is None) == (ended.status is RunStatus.SUCCEEDED)


def test_the_soft_timeout_warns_in_the_log_and_in_the_context(bench: Bench) -> None:
    ended = bench.run("mind_the_soft_timeout", soft_timeout_seconds=0.2, timeout=10)
    assert (ended.status, ended.result) == (RunStatus.SUCCEEDED, "in time")
    run_id = bench.submit("sleeps", soft_timeout_seconds=0.1, timeout=0.4)
    bench.end_of(run_id)
    [line] = [line for line in bench.lines(run_id) if line.stream == "log"]
    assert line.level == "WARNING"
    assert line.text.startswith("still running after 0.1 s")


def test_a_stop_reaches_the_children_of_the_job_too(bench: Bench) -> None:
    run_id = bench.start("waits_for_child")
    bench.until(lambda: len(bench.below()) == 2)
    below = bench.below()
    bench.executor.stop(run_id, StopReason.CANCEL)
    assert bench.end_of(run_id, within=3).status is RunStatus.CANCELLED
    assert not set(below) & set(bench.below())


def test_a_sigterm_nobody_announced_does_not_cut_a_run_short(bench: Bench) -> None:
    run_id = bench.start("sleeps", args={"seconds": 0.5})
    os.kill(bench.interpreter(), signal.SIGTERM)
    os.kill(bench.supervisor(), signal.SIGTERM)
    ended = bench.end_of(run_id)
    assert (ended.status, ended.result) == (RunStatus.SUCCEEDED, "slept")


def test_stopping_a_run_nobody_holds_does_nothing(bench: Bench) -> None:
    bench.executor.stop(99, StopReason.CANCEL)
    assert bench.run("add", args={"left": 1}).result == 2


# The lease.


def test_a_run_is_dead_before_the_lease_is_over(bench: Bench) -> None:
    bench.run("nothing")
    deadline = bench.clock.boottime() + 2.0
    bench.executor.renew(deadline)
    run_id = bench.start("ignores_sigterm", kill_after_seconds=10)
    pid = bench.interpreter()
    ended = bench.end_of(run_id)
    assert ended.status is RunStatus.LOST
    assert ended.error is not None
    assert ended.error.type == "LeaseLost"
    assert ended.ended_at < deadline
    assert wait_until_dead(pid, 0)


def test_a_renewed_lease_lets_a_run_go_on(bench: Bench) -> None:
    bench.run("nothing")
    bench.executor.renew(bench.clock.boottime() + 0.5)
    run_id = bench.start("sleeps", args={"seconds": 0.7})
    bench.executor.renew(bench.clock.boottime() + 30.0)
    assert bench.end_of(run_id).status is RunStatus.SUCCEEDED


def test_a_job_that_may_go_on_in_doubt_outlives_the_lease(bench: Bench) -> None:
    bench.run("nothing")
    bench.executor.renew(bench.clock.boottime() + 0.3)
    run_id = bench.start("sleeps", args={"seconds": 0.5}, on_doubt=OnDoubt.CONTINUE)
    assert bench.end_of(run_id).status is RunStatus.SUCCEEDED


def test_nothing_begins_once_the_lease_is_over(bench: Bench) -> None:
    bench.executor.renew(bench.clock.boottime() - 1)
    run_id = bench.submit("nothing")
    assert bench.first(Returned, run_id).reason == "lease"


def test_a_cancelled_run_that_is_slow_to_stop_is_still_dead_before_the_lease_is_over(bench: Bench) -> None:
    bench.run("nothing")
    deadline = bench.clock.boottime() + 2.0
    bench.executor.renew(deadline)
    run_id = bench.start("ignores_sigterm", kill_after_seconds=20)
    bench.executor.stop(run_id, StopReason.CANCEL)
    ended = bench.end_of(run_id)
    assert ended.status is RunStatus.CANCELLED
    assert ended.ended_at < deadline


# Closing.


@pytest.mark.parametrize("job", ["sleeps", "ignores_sigterm", "prints_for_ever", "looks"])
def test_closing_interrupts_what_is_on_within_the_grace(make_bench: Callable[..., Bench], job: str) -> None:
    bench = make_bench(slots=2)
    first, second = bench.start(job, kill_after_seconds=30), bench.start("sleeps")
    began = bench.clock.monotonic()
    bench.close(grace=1.0)
    assert bench.clock.monotonic() - began < 3
    assert bench.end_of(first).status is RunStatus.INTERRUPTED
    assert bench.end_of(second).status is RunStatus.INTERRUPTED
    assert bench.marked_processes() == []


def test_closing_returns_what_has_not_begun(bench: Bench) -> None:
    bench.make_short("sleeps", args={"seconds": 0})
    running = bench.start("sleeps", on_lost=OnLost.RETRY)
    waiting = bench.submit("sleeps", on_lost=OnLost.RETRY)
    bench.close(grace=2)
    assert bench.end_of(running).status is RunStatus.INTERRUPTED
    assert bench.first(Returned, waiting).reason == "shutdown"


def test_closing_an_executor_that_never_ran_anything_is_quick(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(slots=4)
    bench.close(grace=5)
    assert bench.executor.close(1) == []
    assert bench.executor.capacity() == 0
    bench.executor.renew(1.0)
    bench.executor.wake()
