"""Cron across clock changes, against an oracle: Debian's cron daemon, written from its manual and sharing no code.

The oracle wakes at every minute of real time, looks at the local clock, and keeps a virtual clock beside it. While both
agree it runs what matches. When the local clock jumped forward by less than three hours it runs the rhythms of the
present minute, then the fixed times of every minute jumped over. When it went back it runs rhythms alone until the
virtual clock is caught up. Several runs of one entry in one minute are one fire here.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matins.domain.triggers import Trigger, cron

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

CHANGES = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("America/Santiago", date(2026, 4, 5)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Pacific/Apia", date(2011, 4, 2)),
    ("Pacific/Apia", date(2011, 9, 24)),
    ("Pacific/Apia", date(2011, 12, 30)),
]
YEARS = [
    ("America/New_York", 2026),
    ("Europe/London", 2026),
    ("Australia/Lord_Howe", 2026),
    ("Africa/Casablanca", 2026),
    ("America/Santiago", 2026),
    ("Pacific/Apia", 2011),
    ("Pacific/Apia", 2020),
]
FIXED = [
    "30 2 * * *",
    "0,30 2 * * *",
    "15 1 * * *",
    "59 1 * * *",
    "0 3 * * *",
    "0 0 * * *",
    "30 23 * * *",
    "1,59 0,23 * * *",
    "0-59/20 0-23 * * *",
    "0-59 0-23 * * *",
    "15 2 * * 0",
    "15 2 1-7 * 6,0",
]
RHYTHMS = [
    "* * * * *",
    "*/10 * * * *",
    "30 * * * *",
    "0 */2 * * *",
    "*/7 1-3 * * *",
    "* 2 * * *",
    "17 */3 * * 0",
    "*/45 0,23 * * *",
]


class Entry:
    """A five-field expression of numbers, lists, ranges and steps, matched value by value."""

    def __init__(self, expression: str) -> None:
        self.texts = expression.split()
        bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
        self.values = [_values(text, low, high) for text, (low, high) in zip(self.texts, bounds, strict=True)]

    @property
    def is_rhythm(self) -> bool:
        return self.texts[0][0] == "*" or self.texts[1][0] == "*"

    def matches(self, local: datetime) -> bool:
        minutes, hours, days, months, weekdays = self.values
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        weekday = calendar.weekday(local.year, local.month, local.day) + 1
        on_day, on_weekday = local.day in days, weekday in weekdays or weekday % 7 in weekdays
        if self.texts[2][0] == "*" or self.texts[4][0] == "*":
            return on_day and on_weekday
        return on_day or on_weekday


def fires(expression: str, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every fire later than `after` and not later than `until`; `after` must lie well clear of a clock change."""
    entry = Entry(expression)
    instant = after
    virtual = instant.astimezone(zone).replace(tzinfo=None)
    while instant < until:
        instant += MINUTE
        local = instant.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
        jump = local - virtual
        if jump == MINUTE:
            virtual, fire = local, entry.matches(local)
        elif MINUTE < jump < timedelta(hours=3):
            fire = entry.matches(local) if entry.is_rhythm else _any_matches(entry, virtual, local)
            virtual = local
        elif timedelta(hours=-3) < jump <= timedelta(0):
            fire = entry.is_rhythm and entry.matches(local)
        else:
            virtual, fire = local, entry.matches(local)
        if fire:
            yield instant


def _any_matches(entry: Entry, after: datetime, until: datetime) -> bool:
    return any(entry.matches(after + n * MINUTE) for n in range(1, (until - after) // MINUTE + 1))


def _values(text: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        start, end = (low, high) if first == "*" else (int(first), int(last or first))
        values.update(range(start, end + 1, int(step or 1)))
    return values


def around(zone: str, day: date) -> tuple[datetime, datetime]:
    """From noon before the night of a clock change to noon after it."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return noon - DAY, noon


def triggered(trigger: Trigger, after: datetime, until: datetime) -> list[datetime]:
    """Every fire later than `after` and not later than `until`, each asked for from the one before."""
    found = []
    fire = trigger.next_after(after)
    while fire is not None and fire <= until:
        found.append(fire)
        fire = trigger.next_after(fire)
    return found


@pytest.mark.parametrize("expression", FIXED + RHYTHMS)
def test_a_clock_change_is_met_as_debians_cron_meets_it(expression: str) -> None:
    for zone, day in CHANGES:
        after, until = around(zone, day)
        expected = list(fires(expression, ZoneInfo(zone), after, until))
        assert triggered(cron(expression, zone), after, until) == expected, (zone, day)


@pytest.mark.slow
@pytest.mark.parametrize("expression", FIXED + RHYTHMS)
@pytest.mark.parametrize(("zone", "year"), YEARS)
def test_a_whole_year_fires_as_debians_cron_does(zone: str, year: int, expression: str) -> None:
    after, until = datetime(year, 1, 1, 12, tzinfo=UTC), datetime(year + 1, 1, 10, 12, tzinfo=UTC)
    expected = list(fires(expression, ZoneInfo(zone), after, until))
    assert triggered(cron(expression, zone), after, until) == expected


@pytest.mark.parametrize(("zone", "year"), YEARS)
@pytest.mark.parametrize("expression", ["30 2 * * *", "0 0 * * *", "15 1 * * *", "30 23 * * *", "15 30 2 * * *"])
def test_a_daily_fixed_time_is_neither_lost_nor_doubled_on_any_day_of_a_year(
    zone: str, year: int, expression: str
) -> None:
    tz = ZoneInfo(zone)
    after, until = datetime(year, 1, 1, tzinfo=tz), datetime(year + 1, 1, 1, tzinfo=tz) - timedelta(seconds=1)
    days = [
        fire.astimezone(tz).date() for fire in triggered(cron(expression, zone), after - timedelta(seconds=1), until)
    ]
    missing_day = {date(2011, 12, 30)} if zone == "Pacific/Apia" else set()
    everyday = [date(year, 1, 1) + n * DAY for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    assert days == [day for day in everyday if day not in missing_day]


@pytest.mark.parametrize("expression", FIXED[1:9:4] + RHYTHMS[1::3])
def test_a_sixth_field_of_one_second_moves_each_fire_by_that_second(expression: str) -> None:
    for zone, day in CHANGES:
        after, until = (noon + timedelta(seconds=30) for noon in around(zone, day))
        plain = triggered(cron(expression, zone), after, until)
        moved = triggered(cron(f"15 {expression}", zone), after, until)
        assert moved == [fire + timedelta(seconds=15) for fire in plain], (zone, day)


def test_a_skipped_fixed_time_keeps_its_second_right_after_the_gap() -> None:
    trigger = cron("15,45 30 2 * * *", "America/New_York")
    assert triggered(trigger, datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 8, 12, tzinfo=UTC)) == [
        datetime(2026, 3, 8, 7, 0, 15, tzinfo=UTC),
        datetime(2026, 3, 8, 7, 0, 45, tzinfo=UTC),
    ]


def test_every_second_follows_real_time_through_a_repeated_hour() -> None:
    trigger = cron("* * 1 * * *", "America/New_York")
    after = datetime(2026, 11, 1, 4, 59, 59, tzinfo=UTC)
    found = triggered(trigger, after, after + timedelta(hours=3))
    assert found == [after + timedelta(seconds=n) for n in range(1, 7201)]


@pytest.mark.parametrize(
    "expression", FIXED[::4] + RHYTHMS[1::3] + ["15 30 1,2 * * *", "*/20 */30 * * * *", "7 * 0-3 * * *"]
)
def test_wherever_one_starts_the_next_fire_is_the_same(expression: str) -> None:
    for zone, day in CHANGES:
        trigger = cron(expression, zone)
        start, until = around(zone, day)
        known = triggered(trigger, start, until + 2 * DAY)
        while start < until:
            assert trigger.next_after(start) == known[bisect_right(known, start)], (zone, start)
            start += timedelta(minutes=17, seconds=13, microseconds=7)


fields = st.tuples(
    st.sampled_from(["0", "15", "*", "*/20", "0,59"]),
    st.sampled_from(["0", "30", "*", "*/10", "0,59", "5-50/15", "50-10"]),
    st.sampled_from(["*", "0", "1", "2", "3", "23", "*/2", "0-3", "22-2", "1,2"]),
    st.sampled_from(["*", "1", "31", "L", "LW", "1-7", "28-3"]),
    st.sampled_from(["*", "*", "MAR", "OCT-APR", "2", "9,11"]),
    st.sampled_from(["*", "*", "SUN", "FRI-MON", "0#1", "5L", "1-5"]),
)
instants = st.one_of(
    st.integers(0, 20 * 365 * 86_400).map(
        lambda seconds: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    st.builds(
        lambda change, offset: datetime(change.year, change.month, change.day, tzinfo=UTC) + offset,
        st.sampled_from([day for _, day in CHANGES]),
        st.timedeltas(timedelta(hours=-36), timedelta(hours=36)),
    ),
)


@settings(max_examples=300, deadline=None)
@given(fields, st.sampled_from([zone for zone, _ in CHANGES]), st.sampled_from(["or", "and"]), instants)
def test_a_fire_is_strictly_later_and_reached_from_just_before_itself(
    texts: tuple[str, ...], zone: str, day_match: str, instant: datetime
) -> None:
    trigger = cron(" ".join(texts), zone, day_match)  # type: ignore[arg-type]
    fire = trigger.next_after(instant)
    if fire is not None:
        assert fire > instant
        assert fire.tzinfo is UTC
        assert trigger.next_after(fire - timedelta(microseconds=1)) == fire


@settings(max_examples=300, deadline=None)
@given(fields, st.sampled_from([zone for zone, _ in CHANGES]), instants, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_later_start_never_leads_to_an_earlier_fire(
    texts: tuple[str, ...], zone: str, instant: datetime, later: timedelta
) -> None:
    trigger = cron(" ".join(texts), zone)
    first, second = trigger.next_after(instant), trigger.next_after(instant + later)
    assert first is None or second is None or first <= second
    if first is not None and instant + later < first:
        assert second == first
