"""Interpreters are warm, one run at a time, replaced when worn, and given up on when the application is broken."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from matins.domain.job import Job
from matins.domain.states import Isolation, OnLost, RunStatus
from matins.execution.limits import SlotLimits
from matins.execution.port import Begun, Ended, StopReason
from matins.execution.strays import alive
from tests.contract.executor.bench import Bench, wait_until_dead


def test_runs_share_a_warm_interpreter_in_a_session_of_its_own(bench: Bench) -> None:
    first, second = bench.run("where"), bench.run("where")
    assert first.result == second.result
    assert first.result["group"] == first.result["pid"]
    assert first.result["parent"] == bench.supervisor()


def test_a_fresh_run_has_an_interpreter_nobody_used_before_or_after(bench: Bench) -> None:
    runs = ["where", "where"]
    pids = [bench.run(name).result["pid"] for name in runs]
    pids.append(bench.run("where", isolation=Isolation.FRESH).result["pid"])
    pids.append(bench.run("where", isolation=Isolation.FRESH).result["pid"])
    pids.append(bench.run("where").result["pid"])
    assert pids[0] == pids[1]
    assert len(set(pids)) == 4


def test_an_interpreter_is_recycled_after_so_many_runs(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(recycle_after=3)
    pids = [bench.run("where").result["pid"] for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_after_a_reload_what_is_under_way_ends_and_the_next_run_has_new_code(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(slots=2)
    old = bench.run("where").result["pid"]
    under_way = bench.start("sleeps", args={"seconds": 0.2})
    bench.executor.reload()
    assert bench.end_of(under_way).status is RunStatus.SUCCEEDED
    bench.until(lambda: bench.executor.capacity() == 2)
    assert bench.run("where").result["pid"] != old


def test_an_interpreter_that_has_grown_is_replaced(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(limits=SlotLimits(interpreter_growth_bytes=50_000_000))
    bench.run("grows", args={"size": 10_000_000})
    before = bench.interpreter()
    for _ in range(20):
        bench.run("grows", args={"size": 10_000_000})
    assert bench.interpreter() != before


def test_an_idle_slot_is_closed_and_opened_again_on_demand(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(idle_seconds=0.3)
    bench.run("nothing")
    supervisor = bench.supervisor()
    bench.until(lambda: not bench.executor._slots[0].is_open, within=5)
    assert not alive(supervisor)
    assert bench.faults == []
    assert bench.run("add", args={"left": 1}).result == 2


def test_an_idle_interpreter_that_is_killed_is_replaced_when_needed(bench: Bench) -> None:
    bench.run("nothing")
    interpreter = bench.interpreter()
    os.kill(interpreter, signal.SIGKILL)
    bench.until(lambda: bool(bench.faults))
    assert bench.faults == ["an idle interpreter ended: killed by SIGKILL (out of memory?)"]
    assert wait_until_dead(interpreter, 2)
    assert bench.run("add", args={"left": 1}).result == 2


def test_a_crash_in_one_slot_is_nothing_to_the_others(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(slots=3)
    long = bench.start("sleeps", args={"seconds": 1.0})
    for job in ("segfaults", "kills_itself", "kills_parent"):
        assert bench.run(job).status in (RunStatus.FAILED, RunStatus.LOST)
        assert bench.run("add", args={"left": 1}).result == 2
    assert bench.end_of(long).status is RunStatus.SUCCEEDED


# Applications that cannot be imported.


def test_orders_for_an_application_that_raises_fail_with_its_error_after_two_attempts(
    make_bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = tmp_path / "attempts"
    monkeypatch.setenv("ATTEMPTS", str(attempts))
    bench = make_bench(app="unloadable:app")
    for _ in range(5):
        ended = bench.run("nothing")
        assert ended.status is RunStatus.FAILED
        assert ended.error is not None
        assert (ended.error.type, ended.error.message) == ("LookupError", "no configuration")
        assert "unloadable.py" in ended.error.traceback
        assert "looking for the configuration" in ended.error.traceback
    assert attempts.read_text() == "xx"
    assert bench.faults == ["LookupError: no configuration"] * 2


@pytest.mark.parametrize(
    ("app", "kind", "message"),
    [
        ("exiting:app", "SystemExit", "0"),
        ("dying:app", "AppLoadError", "the interpreter ended while importing the application: exit code 3"),
        ("no_such_module:app", "ModuleNotFoundError", "No module named 'no_such_module'"),
        ("helped:nothing", "matins.errors.AppLoadError", "module 'helped' has no attribute 'nothing'"),
        ("hanging:app", "AppLoadError", "importing the application took too long"),
    ],
)
def test_whatever_keeps_an_application_from_loading_is_told(
    make_bench: Callable[..., Bench], app: str, kind: str, message: str
) -> None:
    bench = make_bench(app=app, start_timeout_seconds=0.4 if app.startswith("hanging") else 20)
    ended = bench.run("nothing")
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == (kind, message)


def test_a_broken_application_does_not_hinder_commands(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app="no_such_module:app")
    bench.run("nothing")
    assert bench.run("true", command="true").status is RunStatus.SUCCEEDED


# Handing ahead.


def test_a_job_that_may_not_be_repeated_gets_an_idle_slot_or_none(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(slots=2)
    assert bench.executor.capacity() == 2
    bench.submit("sleeps_quietly", args={"seconds": 0.2})
    assert bench.executor.capacity() == 1
    bench.submit("sleeps_quietly", args={"seconds": 0.2})
    assert bench.executor.capacity() == 0
    third = bench.submit("nothing")
    bench.until(lambda: not bench.unanswered)
    assert bench.returned() == [third]
    assert bench.executor.capacity() == 2


def test_short_repeatable_runs_are_handed_ahead_and_run_in_order_one_at_a_time(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "order"
    job = Job(name="appends", on_lost=OnLost.RETRY)
    assert bench.executor.capacity(job) == 1
    ahead = bench.make_short("appends", args={"path": str(path), "word": "first"})
    path.unlink()
    ids = [
        bench.submit("appends", args={"path": str(path), "word": str(n)}, on_lost=OnLost.RETRY) for n in range(ahead)
    ]
    bench.until(lambda: not bench.unanswered)
    assert path.read_text().split() == [str(n) for n in range(ahead)]
    ends = [event for event in bench.events if isinstance(event, Ended) and event.run_id in ids]
    assert [end.run_id for end in ends] == ids
    assert all(one.ended_at <= next_.began_at for one, next_ in pairwise(ends))


def test_orders_behind_a_run_that_takes_longer_than_expected_are_returned(bench: Bench) -> None:
    bench.make_short("sleeps", args={"seconds": 0})
    slow = bench.start("sleeps", on_lost=OnLost.RETRY)
    behind = bench.submit("sleeps", args={"seconds": 0}, on_lost=OnLost.RETRY)
    bench.until(lambda: bench.returned() == [behind])
    assert slow in bench.unanswered
    bench.executor.stop(slow, StopReason.CANCEL)
    bench.end_of(slow)


def test_a_run_that_takes_a_while_is_told_to_have_begun(bench: Bench) -> None:
    run_id = bench.submit("sleeps", args={"seconds": 0.3, "report": False})
    began = bench.first(Begun, run_id)
    assert bench.end_of(run_id).began_at == began.at


def test_waking_ends_a_wait_at_once(bench: Bench) -> None:
    bench.executor.wake()
    began = bench.clock.monotonic()
    assert bench.executor.poll(10) == []
    assert bench.clock.monotonic() - began < 1
