"""A shell job is a run like any other: supervised, captured, and true in its end."""

from __future__ import annotations

import os
from collections.abc import Callable

from matins.domain.states import RunStatus
from matins.execution.port import StopReason
from matins.execution.strays import alive
from tests.contract.executor.bench import FIRE_AT, Bench


def test_a_command_that_ends_well_succeeds_and_knows_its_run(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("sync", command="env | grep ^MATINS_ | grep -v SLOT | sort; echo hurt >&2", args={"feed": "a b"})
    assert (ended.status, ended.exit, ended.error) == (RunStatus.SUCCEEDED, "exit code 0", None)
    said = dict(line.text.split("=", 1) for line in ended.lines if line.stream == "stdout")
    assert {name: value for name, value in said.items() if name not in os.environ} == {
        "MATINS_ARGS": '{"feed":"a b"}',
        "MATINS_ATTEMPT": "2",
        "MATINS_FENCE": "1",
        "MATINS_FIRE_AT": FIRE_AT.isoformat(),
        "MATINS_JOB": "sync",
        "MATINS_KIND": "catch_up",
        "MATINS_LAST_SUCCESS_AT": FIRE_AT.isoformat(),
        "MATINS_OCCURRENCE": "7",
        "MATINS_RUN_ID": "1",
        "MATINS_SCHEDULE": "feed-refresh",
    }
    assert [line.text for line in ended.lines if line.stream == "stderr"] == ["hurt"]


def test_an_argument_vector_is_run_as_it_stands(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("echo", command=("echo", "$HOME; true", "two"))
    assert [line.text for line in ended.lines] == ["$HOME; true two"]


def test_a_command_that_fails_says_with_which_code(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("fails", command="exit 3")
    assert (ended.status, ended.exit) == (RunStatus.FAILED, "exit code 3")
    assert ended.error is not None
    assert ended.error.type == "CommandFailed"
    killed = bench.run("killed", command="kill -SEGV $$")
    assert (killed.status, killed.exit) == (RunStatus.FAILED, "killed by SIGSEGV")


def test_a_command_that_cannot_be_started_fails_with_the_reason(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("missing", command=("/no/such/program",))
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert ended.error.type == "FileNotFoundError"
    assert "/no/such/program" in ended.error.message
    assert bench.run("true", command="true").status is RunStatus.SUCCEEDED


def test_a_command_is_stopped_at_its_timeout_with_all_it_started(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    run_id = bench.submit("stubborn", command="trap '' TERM; setsid sleep 62 & sleep 63", timeout=0.5)
    bench.until(lambda: bench.executor._slots[0].is_open and len(bench.below()) == 3)
    below = bench.below()
    ended = bench.end_of(run_id)
    assert (ended.status, ended.exit) == (RunStatus.TIMED_OUT, "killed by SIGKILL")
    assert not any(map(alive, below))


def test_a_command_is_cancelled_by_sigterm_first(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    run_id = bench.submit("polite", command="trap 'echo bye; exit 0' TERM; echo on; sleep 60 & wait")
    bench.until(lambda: "on" in bench.texts(run_id))
    bench.executor.stop(run_id, StopReason.CANCEL)
    ended = bench.end_of(run_id)
    assert ended.status is RunStatus.CANCELLED
    assert bench.texts(run_id) == ["on", "bye"]


def test_what_a_command_leaves_in_the_background_is_killed_and_told(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("careless", command="sleep 64 & echo $!")
    assert ended.status is RunStatus.SUCCEEDED
    pid = int(ended.lines[0].text)
    assert ended.notes[0].startswith(f"killed 1 process it left running: {pid}")
    assert not alive(pid)


def test_a_command_and_a_warm_interpreter_share_a_slot_in_peace(bench: Bench) -> None:
    pid = bench.run("where").result["pid"]
    assert bench.run("shell", command="sleep 65 & true").status is RunStatus.SUCCEEDED
    assert bench.run("where").result["pid"] == pid


def test_a_command_has_default_signals_and_a_memory_limit(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app=None)
    ended = bench.run("pipe", command="yes | head -1; ulimit -d", memory_limit_bytes=512 * 2**20)
    assert [line.text for line in ended.lines] == ["y", str(512 * 2**10)]
