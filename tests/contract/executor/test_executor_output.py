"""What a run prints and logs is kept in order, bounded, and told while it is still going."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from matins.domain.states import RunStatus
from matins.execution.limits import SlotLimits
from matins.execution.port import Output, Progress, StopReason
from tests.contract.executor.bench import Bench


def test_prints_and_log_records_come_in_the_order_they_were_made(bench: Bench) -> None:
    lines = bench.run("speaks").lines
    assert [(line.stream, line.level, line.text) for line in lines] == [
        ("stdout", None, "one"),
        ("stderr", None, "two"),
        ("log", "INFO", "three"),
        ("log", "DEBUG", "four"),
        ("stdout", None, "five"),
        ("stdout", None, "six"),
        ("stdout", None, "seven, unfinished"),
    ]
    assert [line.number for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_what_bypasses_python_is_captured_too(bench: Bench) -> None:
    lines = bench.run("writes_past_python").lines
    assert {(line.stream, line.text) for line in lines} == {
        ("stdout", "raw out"),
        ("stderr", "raw err"),
        ("stdout", "child"),
        ("stderr", "child err"),
        ("stdout", "from C"),
    }


def test_output_no_database_would_take_is_cleaned_and_escapes_are_kept(bench: Bench) -> None:
    texts = bench.texts(bench.run("writes_oddities").run_id)
    assert sorted(texts) == sorted(
        ["bad \ufffd\ufffd utf-8", "nul \ufffd here", "\x1b[31mred\x1b[0m", "windows", "", "lone \\ud800"]
    )


def test_log_records_keep_level_and_traceback_and_a_broken_one_fails_nothing(bench: Bench) -> None:
    ended = bench.run("logs_badly")
    assert ended.status is RunStatus.SUCCEEDED
    logged = [(line.level, line.text) for line in ended.lines if line.stream == "log"]
    assert logged[:2] == [("ERROR", "with"), ("ERROR", "two lines")]
    assert logged[-1] == ("ERROR", "ValueError: no such feed")
    assert any("not all arguments converted" in line.text or "TypeError" in line.text for line in ended.lines)


def test_output_is_cut_in_the_middle_with_a_mark_and_numbered_through(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(limits=SlotLimits(output_lines=100))
    run_id = bench.run("prints_lines", args={"count": 1000}).run_id
    lines = bench.lines(run_id)
    assert [line.text for line in lines[:50]] == [f"line {n}" for n in range(50)]
    assert [line.text for line in lines[51:]] == [f"line {n}" for n in range(950, 1000)]
    assert (lines[50].number, lines[50].stream, lines[50].level) == (51, "log", "CUT")
    assert lines[50].text.startswith("… 900 lines (")
    assert [line.number for line in lines[51:]] == list(range(951, 1001))


def test_a_line_without_end_is_cut_and_says_how_much(bench: Bench) -> None:
    ended = bench.run("writes_without_newline", args={"megabytes": 5})
    [line] = bench.lines(ended.run_id)
    assert line.text.startswith("x" * 16384)
    assert line.text.endswith(f"[{5_000_000 - 16384} bytes cut]")


def test_output_of_a_run_that_goes_on_is_told_meanwhile(bench: Bench) -> None:
    run_id = bench.start("prints_between")
    output = bench.first(Output, run_id, within=2)
    assert [line.text for line in output.lines] == ["early"]
    bench.executor.stop(run_id, StopReason.CANCEL)
    assert bench.end_of(run_id).lines == ()


def test_progress_is_thinned_out_and_the_last_word_comes_through(bench: Bench) -> None:
    run_id = bench.run("progresses").run_id
    said = [event for event in bench.events if isinstance(event, Progress)]
    assert len(said) < 10
    assert (said[0].message, said[-1].message, said[-1].fraction) == ("step 0", "step 999", 0.999)
    assert said[-1].run_id == run_id


def test_progress_stays_between_nothing_and_all(bench: Bench) -> None:
    run_id = bench.start("progresses_and_waits")
    assert bench.first(Progress, run_id).fraction == 1.0
    bench.executor.stop(run_id, StopReason.CANCEL)
    bench.end_of(run_id)


def test_nothing_is_said_of_a_run_after_its_end(bench: Bench) -> None:
    run_id = bench.start("prints_for_ever", timeout=0.5)
    bench.end_of(run_id)
    ended_at = next(n for n, event in enumerate(bench.events) if event == bench.end_of(run_id))
    bench.run("nothing")
    assert not any(getattr(event, "run_id", None) == run_id for event in bench.events[ended_at + 1 :])


@pytest.mark.slow
@pytest.mark.parametrize(("job", "args"), [("writes_gigabyte", {}), ("writes_without_newline", {"megabytes": 200})])
def test_a_flood_of_output_grows_nobody_and_holds_up_no_other_slot(
    make_bench: Callable[..., Bench], job: str, args: dict[str, int]
) -> None:
    bench = make_bench(slots=2)
    bench.run("nothing")
    bench.start("looks")
    run_id = bench.submit(job, args=args, timeout=110)
    longest, supervisors = 0.0, [bench.supervisor(0), bench.supervisor(1)]
    bench.executor.stop(2, StopReason.CANCEL)
    bench.end_of(2)
    largest = 0
    while run_id in bench.unanswered:
        began = bench.clock.monotonic()
        bench.run("nothing")
        longest = max(longest, bench.clock.monotonic() - began)
        largest = max(largest, *map(_memory, supervisors))
    ended = bench.end_of(run_id)
    assert ended.status is RunStatus.SUCCEEDED
    assert sum(len(line.text) for line in bench.lines(run_id)) < 1_300_000
    assert largest < 40_000
    assert longest < 1.0


def _memory(pid: int) -> int:
    """Resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
