from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.durations import format_duration, parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("10m", 600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("2d", 172800),
        ("1w", 604800),
        ("1.5h", 5400),
        (" 1h 30m ", 5400),
        ("1H", 3600),
        ("90", 90),
        ("0", 0),
        ("0s", 0),
        ("0.1s", 0.1),
        (90, 90),
        (0.25, 0.25),
        (timedelta(minutes=3), 180),
    ],
)
def test_a_duration_is_read_as_meant(value: object, seconds: float) -> None:
    assert parse_duration(value) == timedelta(seconds=seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "m", "10x", "ten", "-5m", "1m1h", "1h1h", "1 0m", "10mm", "1e3", "nan", "inf", "٣m", "1.m"),
        *(None, True, -1, float("nan"), float("inf"), 1e30, "999999999999w", timedelta(seconds=-1), b"10m", [10]),
    ],
)
def test_what_is_no_duration_is_refused_in_one_line_that_names_it(value: object) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_duration(value)  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=7), "7d"),
        (timedelta(seconds=60), "1m"),
        (timedelta(milliseconds=1500), "1s500ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=1), "0.001ms"),
        (timedelta(milliseconds=100), "100ms"),
        (timedelta(days=1, seconds=1), "1d1s"),
        (timedelta(minutes=-5), "-5m"),
    ],
)
def test_a_duration_is_shown_without_empty_parts(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)))
def test_what_is_shown_reads_back_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("512MB", 512 << 20),
        ("512M", 512 << 20),
        ("1GiB", 1 << 30),
        ("1.5k", 1536),
        ("64", 64),
        (64, 64),
        ("2 tb", 2 << 40),
    ],
)
def test_a_memory_size_is_read_in_powers_of_1024(value: int | str, size: int) -> None:
    assert parse_bytes(value) == size


@pytest.mark.parametrize("value", ["", "MB", "-1", "0", 0, -5, True, None, 1.5, "12XB", "1e3", "0.1b"])
def test_what_is_no_memory_size_is_refused_in_one_line_that_names_it(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a memory size") as caught:
        parse_bytes(value)  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
