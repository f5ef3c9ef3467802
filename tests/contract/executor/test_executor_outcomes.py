"""What a job returns or raises is what its run's end says, and nothing it does fails the executor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matins.domain.states import RunStatus
from tests.contract.executor.bench import APPS, FIRE_AT, Bench


def test_a_job_sees_its_context_and_its_result_comes_back(bench: Bench) -> None:
    ended = bench.run("describe", args={"feed": "a"}, timeout=20.0)
    assert ended.status is RunStatus.SUCCEEDED
    left = ended.result.pop("seconds_left")
    assert 15 < left <= 20
    assert ended.result == {
        "schedule_id": "feed-refresh",
        "occurrence_id": 7,
        "run_id": 1,
        "job": "describe",
        "fire_at": FIRE_AT.isoformat(),
        "kind": "catch_up",
        "is_catch_up": True,
        "attempt": 2,
        "fence": 1,
        "args": {"feed": "a"},
        "last_success_at": FIRE_AT.isoformat(),
        "cancelled": False,
        "soft_timeout": False,
    }


def test_an_application_as_users_write_it_runs(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app="declared:app")
    ended = bench.run("refresh", args={"feed": "b"})
    assert ended.result == "refresh b"
    assert [(line.level, line.text) for line in ended.lines] == [("INFO", "refreshing b")]
    assert bench.run("check").result == "checked"
    unknown = bench.run("reload")
    assert unknown.error is not None
    assert unknown.error.type == "matins.errors.NotFoundError"


def test_arguments_go_by_name_and_those_a_job_does_not_name_are_left_out(bench: Bench) -> None:
    assert bench.run("add", args={"left": 2, "right": 3, "other": 9}).result == 5
    assert bench.run("add", args={"left": 2}).result == 3
    missing = bench.run("add")
    assert missing.status is RunStatus.FAILED
    assert missing.error is not None
    assert missing.error.type == "TypeError"


def test_an_async_job_is_awaited(bench: Bench) -> None:
    assert bench.run("asynchronous").result == "awaited"


def test_a_generator_function_fails_since_none_of_it_ran(bench: Bench) -> None:
    ended = bench.run("generator")
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert "generator" in ended.error.message


def test_an_exception_is_told_with_type_message_and_the_jobs_own_traceback(bench: Bench) -> None:
    ended = bench.run("raises_nested")
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == ("RuntimeError", "cannot go on")
    assert "no such feed" in ended.error.traceback
    assert "misbehaving.py" in ended.error.traceback
    assert "interpreter" not in ended.error.traceback
    assert ended.exit is None


@pytest.mark.parametrize(
    ("job", "args", "kind", "message"),
    [
        ("exits", {"code": 0}, "SystemExit", "0"),
        ("exits", {"code": None}, "SystemExit", ""),
        ("interrupts_itself", {}, "KeyboardInterrupt", ""),
        ("raises_mute", {}, "misbehaving.Mute", "<the message of this misbehaving.Mute cannot be read>"),
        ("raises_evil", {}, "misbehaving.Evil", "<the message of this misbehaving.Evil cannot be read>"),
        ("no_such_job", {}, "KeyError", "'no_such_job'"),
    ],
)
def test_whatever_is_raised_is_a_failure_and_the_interpreter_lives_on(
    bench: Bench, job: str, args: dict[str, Any], kind: str, message: str
) -> None:
    before = bench.run("where").result["pid"]
    ended = bench.run(job, args=args)
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == (kind, message)
    assert bench.run("where").result["pid"] == before


def test_an_error_of_many_megabytes_is_cut_and_cleaned(bench: Bench) -> None:
    error = bench.run("raises_megabytes").error
    assert error is not None
    assert len(error.message) < 9000
    assert len(error.traceback) < 34000
    assert error.message.startswith("first")
    assert error.message.endswith("last")
    assert "characters cut" in error.message
    assert "\0" not in error.message + error.traceback
    (error.message + error.traceback).encode()


def test_endless_recursion_is_an_ordinary_failure(bench: Bench) -> None:
    error = bench.run("recurses").error
    assert error is not None
    assert error.type == "RecursionError"


@pytest.mark.parametrize(
    ("job", "args", "exit_text"),
    [
        ("leaves_at_once", {"code": 0}, "exit code 0"),
        ("leaves_at_once", {"code": 7}, "exit code 7"),
        ("segfaults", {}, "killed by SIGSEGV"),
        ("kills_itself", {}, "killed by SIGKILL (out of memory?)"),
    ],
)
def test_an_end_without_a_result_is_a_failure_that_names_how_the_process_ended(
    bench: Bench, job: str, args: dict[str, Any], exit_text: str
) -> None:
    ended = bench.run(job, args=args)
    assert ended.status is RunStatus.FAILED
    assert ended.exit == exit_text
    assert ended.error is not None
    assert exit_text in ended.error.message
    assert bench.run("add", args={"left": 1}).result == 2


def test_output_before_a_crash_is_kept_and_the_crash_says_where(bench: Bench) -> None:
    ended = bench.run("segfaults")
    texts = [line.text for line in ended.lines]
    assert texts[0] == "about to"
    assert any("in segfaults" in text for text in texts)


@pytest.mark.parametrize("job", ["closes_descriptors", "closes_descriptors_and_returns"])
def test_a_job_that_closes_its_own_descriptors_fails_and_the_next_one_runs(bench: Bench, job: str) -> None:
    ended = bench.run(job)
    assert ended.status is RunStatus.FAILED
    assert ended.exit is not None
    assert bench.run("add", args={"left": 1}).result == 2


@pytest.mark.parametrize(
    ("job", "args", "note"),
    [
        ("returns_unserialisable", {}, "cannot be stored as JSON"),
        ("returns_nan", {}, "cannot be stored as JSON"),
        ("returns_trap", {}, "cannot be stored as JSON"),
        ("returns_much", {"size": 70_000}, "was dropped"),
    ],
)
def test_a_result_that_cannot_be_kept_is_dropped_with_a_note_and_the_run_succeeded(
    bench: Bench, job: str, args: dict[str, Any], note: str
) -> None:
    ended = bench.run(job, args=args)
    assert ended.status is RunStatus.SUCCEEDED
    assert ended.result is None
    assert note in ended.notes[0]


def test_a_result_of_the_largest_size_is_kept(bench: Bench) -> None:
    assert bench.run("returns_much", args={"size": 60_000}).result == "x" * 60_000


def test_a_result_is_cleaned_of_what_databases_refuse(bench: Bench) -> None:
    assert bench.run("returns_oddities").result == {"nul\ufffd": ["a\ufffdb", "lone ?", "😀"], "deep": {"x": 1}}


@pytest.mark.parametrize("job", ["forks_and_returns_twice", "forks_and_raises_twice"])
def test_a_forked_child_that_comes_back_from_the_job_says_nothing_for_it(bench: Bench, job: str) -> None:
    ended = bench.run(job)
    assert ended.status is RunStatus.SUCCEEDED
    assert ended.result == "parent"
    assert bench.run("add", args={"left": 1}).result == 2


def test_what_a_job_changes_in_its_process_is_put_back(bench: Bench, tmp_path: Path) -> None:
    pid = bench.run("upsets_everything", args={"path": str(tmp_path)}).result
    ended = bench.run("condition")
    assert ended.result == {
        "pid": pid,
        "directory": str(APPS),
        "umask": ended.result["umask"],
        "upset": None,
        "path": True,
        "recursion": 1000,
        "nowhere": False,
        "term_ignored": False,
        "int_ignored": False,
        "masked": [],
        "timer": 0.0,
    }
    assert ended.result["umask"] != 0o777
    assert [line.text for line in ended.lines] == ["can print"]


def test_a_job_that_removes_its_directory_does_not_hinder_the_next(bench: Bench, tmp_path: Path) -> None:
    bench.run("loses_its_directory", args={"path": str(tmp_path / "gone")})
    assert bench.run("condition").result["directory"] == str(APPS)


def test_limits_a_job_lowered_do_not_reach_the_next(bench: Bench) -> None:
    before = bench.run("limits").result
    bench.run("lowers_its_limits")
    assert bench.run("limits").result == before


def test_a_job_gets_neither_secrets_nor_descriptors(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("JWT_SECRET", "secret")
    monkeypatch.setenv("HARMLESS", "value")
    bench = make_bench(pass_env=("JWT_SECRET",))
    values = [
        bench.run("environment", args={"name": name}).result for name in ("DATABASE_URL", "JWT_SECRET", "HARMLESS")
    ]
    assert values == [None, "secret", "value"]
    assert bench.run("descriptors").result == [0, 1, 2, 3]


def test_a_memory_limit_makes_a_greedy_job_fail_and_does_not_outlast_its_run(bench: Bench) -> None:
    before = bench.run("limit").result
    ended = bench.run("allocates", memory_limit_bytes=300_000_000)
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert ended.error.type == "MemoryError"
    assert bench.run("limit").result == before
