"""Captured output is whole while it is short, and bounded with head, mark and tail when it is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matins.execution.capture import MARK, Capture, Line, Source

OUT, ERR = Source("stdout"), Source("stderr")


def _capture(lines: int = 20, size: int = 10_000, line: int = 50) -> Capture:
    return Capture(max_lines=lines, max_bytes=size, max_line_bytes=line)


def _texts(lines: list[Line]) -> list[object]:
    return [line[3] for line in lines]


@given(st.lists(st.text(alphabet="ab é", max_size=10), max_size=9), st.integers(1, 7))
def test_short_output_comes_back_line_by_line_however_it_was_cut(lines: list[str], piece: int) -> None:
    capture = _capture()
    data = "".join(f"{line}\n" for line in lines).encode()
    for start in range(0, len(data), piece):
        capture.write(OUT, data[start : start + piece], 1.0)
    assert _texts(capture.finish(2.0)) == lines


@given(st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.binary(max_size=60)), max_size=200))
def test_whatever_is_written_the_bounds_hold_and_numbers_rise(pieces: list[tuple[Source, bytes]]) -> None:
    capture = _capture(lines=10, size=200)
    taken: list[Line] = []
    for number, (source, data) in enumerate(pieces):
        capture.write(source, data, float(number))
        if number % 7 == 0:
            taken += capture.take()
    taken += capture.finish(99.0)
    numbers = [line[0] for line in taken]
    assert len(taken) <= 10 + 2
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]
    assert sum(line[4] == MARK for line in taken) <= 1


def test_what_is_cut_is_counted() -> None:
    capture = _capture(lines=4)
    for number in range(10):
        capture.say(OUT, b"line %d" % number, 0.0)
    lines = capture.finish(1.0)
    assert _texts(lines) == ["line 0", "line 1", "… 6 lines (42 bytes) cut …", "line 8", "line 9"]
    assert [line[0] for line in lines] == [1, 2, 3, 9, 10]


def test_nothing_is_marked_when_head_and_tail_hold_everything() -> None:
    capture = _capture(lines=4)
    for number in range(4):
        capture.say(OUT, b"%d" % number, 0.0)
    assert _texts(capture.finish(1.0)) == ["0", "1", "2", "3"]


def test_two_sources_of_one_stream_do_not_finish_each_others_lines() -> None:
    capture, pipe = _capture(), Source("stdout")
    capture.write(OUT, b"begun ", 0.0)
    capture.write(pipe, b"other\n", 0.0)
    capture.write(OUT, b"and ended\n", 0.0)
    assert _texts(capture.finish(1.0)) == ["other", "begun and ended"]


def test_a_long_line_is_cut_and_says_by_how_much() -> None:
    capture = _capture(line=10)
    for _ in range(1000):
        capture.write(OUT, b"x" * 100, 0.0)
    capture.write(OUT, b"\nshort\n", 0.0)
    assert _texts(capture.finish(1.0)) == ["xxxxxxxxxx … [99990 bytes cut]", "short"]


def test_a_line_begun_in_the_head_is_not_lost_when_the_tail_takes_over() -> None:
    capture = _capture(lines=2)
    capture.write(ERR, b"half ", 0.0)
    capture.write(OUT, b"one\n", 0.0)
    capture.write(ERR, b"and half\n", 0.0)
    assert _texts(capture.finish(1.0)) == ["one", "half and half"]


def test_the_head_is_handed_out_once() -> None:
    capture = _capture()
    capture.say(OUT, b"one", 0.0)
    assert capture.fresh
    assert _texts(capture.take()) == ["one"]
    assert not capture.fresh
    capture.say(OUT, b"two", 0.0)
    assert _texts(capture.finish(1.0)) == ["two"]
