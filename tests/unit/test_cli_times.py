"""How times are shown to people and to programs, and how typed ones are read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from matins.cli.time_input import named_zone, parse_time
from matins.cli.times import both, duration, instant, relative, rfc3339
from matins.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "zone", "shown"),
    [
        ("2026-11-24T01:00", BERLIN, "2026-11-24 02:00 CET (01:00 UTC)"),
        ("2026-07-24T01:00:07", BERLIN, "2026-07-24 03:00:07 CEST (01:00:07 UTC)"),
        ("2026-11-23T23:30", BERLIN, "2026-11-24 00:30 CET (2026-11-23 23:30 UTC)"),
        ("2026-11-24T01:00", UTC, "2026-11-24 01:00 UTC"),
        ("2026-11-24T01:00", ZoneInfo("Europe/London"), "2026-11-24 01:00 GMT"),
        ("2026-11-24T01:00", ZoneInfo("America/Sao_Paulo"), "2026-11-23 22:00 UTC-0300 (2026-11-24 01:00 UTC)"),
    ],
)
def test_an_instant_is_shown_in_the_readers_zone_with_utc_at_hand(when: str, zone: ZoneInfo, shown: str) -> None:
    assert instant(at(when), zone) == shown


def test_without_a_zone_the_machines_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert instant(NOW) == "2026-11-24 10:00 JST (01:00 UTC)"
        assert parse_time("2026-11-24 10:00", now=NOW) == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "now"),
        (0.4, "now"),
        (-0.4, "now"),
        (0.6, "in 1s"),
        (42, "in 42s"),
        (899.6, "in 15m"),
        (900, "in 15m"),
        (80, "in 1m 20s"),
        (-7200, "2h ago"),
        (-7260, "2h 1m ago"),
        (40_000, "in 11h"),
        (200_000, "in 2d 7h"),
        (-4_000_000, "46d ago"),
    ],
)
def test_a_distance_is_told_in_the_units_one_thinks_in(seconds: float, shown: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (None, ""),
        (0, "0ms"),
        (-1, "0ms"),
        (0.35, "350ms"),
        (0.9996, "1s"),
        (4.24, "4.2s"),
        (9.96, "10s"),
        (59.6, "1m"),
        (80, "1m 20s"),
        (timedelta(hours=2, minutes=5), "2h 5m"),
        (timedelta(days=3, hours=4, minutes=9), "3d 4h"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(span: timedelta | float | None, shown: str) -> None:
    assert duration(span) == shown


def test_both_forms_stand_together_and_an_unknown_time_is_empty() -> None:
    assert both(NOW + timedelta(minutes=15), NOW, UTC) == "2026-11-24 01:15 UTC, in 15m"
    assert both(None, NOW) == ""


def test_programs_get_utc_with_a_z_and_the_whole_fraction() -> None:
    assert rfc3339(NOW.astimezone(BERLIN)) == "2026-11-24T01:00:00Z"
    assert rfc3339(NOW + timedelta(microseconds=120)) == "2026-11-24T01:00:00.000120Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-24T01:00"),
        ("-2h", "2026-11-23T23:00"),
        ("+15m", "2026-11-24T01:15"),
        ("2h ago", "2026-11-23T23:00"),
        ("in 1h 30m", "2026-11-24T02:30"),
        ("2026-11-24T02:00Z", "2026-11-24T02:00"),
        ("2026-11-24T02:00:00+01:00", "2026-11-24T01:00"),
        ("2026-11-24 02:00", "2026-11-24T01:00"),
        ("2026-07-24", "2026-07-23T22:00"),
        ("2026-11-24 02:00 UTC", "2026-11-24T02:00"),
        ("2026-11-24 02:00 America/New_York", "2026-11-24T07:00"),
        ("tomorrow 02:00", "2026-11-25T01:00"),
        ("Yesterday 02:00:30", "2026-11-23T01:00:30"),
        ("tomorrow", "2026-11-24T23:00"),
        ("today 13:00", "2026-11-24T12:00"),
        ("13:00", "2026-11-24T12:00"),
        ("13:00 UTC", "2026-11-24T13:00"),
    ],
)
def test_a_typed_time_is_read_in_the_readers_zone_unless_it_names_one(text: str, expected: str) -> None:
    assert parse_time(text, now=NOW, zone=BERLIN) == at(expected)


def test_today_is_the_readers_day_and_not_that_of_utc() -> None:
    assert parse_time("today 20:00", now=NOW, zone=NEW_YORK) == at("2026-11-24T01:00")


def test_a_time_in_the_spring_gap_is_still_an_instant() -> None:
    assert parse_time("2026-03-29 02:30", now=NOW, zone=BERLIN) == at("2026-03-29T01:30")


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "2026-13-01", "-", "- h", "02", "tomorrow noon", "2026-11-24 02:00 CEST", "ago"]
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_time(text, now=NOW, zone=UTC)
    assert repr(text) in raised.value.message
    assert "tomorrow 02:00" in (raised.value.remedy or "")


@pytest.mark.parametrize("text", ["-900000d", "+9000000d", "0001-01-01 00:00 Asia/Tokyo", "9999-12-31T23:00-08:00"])
def test_a_time_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time(text, now=NOW, zone=UTC)


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "", "Europe", "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="time zone"):
        named_zone(name)
