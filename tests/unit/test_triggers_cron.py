from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.triggers import Cron, cron
from matins.errors import TriggerError

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def first(expression: str, count: int = 12, tz: str = "UTC", day_match: str = "or") -> list[datetime]:
    trigger, found, instant = cron(expression, tz, day_match), [], NOON  # type: ignore[arg-type]
    while len(found) < count and (fire := trigger.next_after(instant)) is not None:
        found.append(fire)
        instant = fire
    return found


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" @Daily ", "0 0 * * *"),
        ("0 0 ? * MON", "0 0 * * 1"),
        ("0 0 13 * ?", "0 0 13 * *"),
        ("0 22-2 * * *", "0 22,23,0,1,2 * * *"),
        ("0 22-4/2 * * *", "0 22,0,2,4 * * *"),
        ("55-5 * * * *", "55,56,57,58,59,0,1,2,3,4,5 * * * *"),
        ("50-10/10 * * * * *", "50,0,10 * * * * *"),
        ("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"),
        ("0 0 * * SAT-SUN", "0 0 * * 6,0"),
        ("0 0 * * 6-7", "0 0 * * 6,0"),
        ("0 0 * * 7-2", "0 0 * * 0,1,2"),
        ("0 0 1 NOV-FEB *", "0 0 1 11,12,1,2 *"),
        ("0 0 28-3 * *", "0 0 28,29,30,31,1,2,3 * *"),
        ("0 0 * * mon-fri", "0 0 * * 1-5"),
        ("0 0 * * MON,wed", "0 0 * * 1,3"),
        ("0 0 * jan,Jul *", "0 0 * 1,7 *"),
        ("0 0 * * FRI#3", "0 0 * * 5#3"),
        ("0 0 * * FRIL", "0 0 * * 5L"),
        ("0 0 * * 7L", "0 0 * * 0L"),
        ("0 0 * * 7", "0 0 * * SUN"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("0  0\t* * *", "0 0 * * *"),
        ("0 2 * * *", "0 0 2 * * *"),
        ("05 09 * * *", "5 9 * * *"),
        ("*,5 * * * *", "* * * * *"),
        ("0 0 * * 1-5/2", "0 0 * * 1,3,5"),
    ],
)
def test_two_ways_to_write_the_same_fire_the_same(expression: str, plain: str) -> None:
    assert first(expression) == first(plain)


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("*/15 * * * *", ["2026-03-05T12:15", "2026-03-05T12:30", "2026-03-05T12:45"]),
        ("0 2 * * *", ["2026-03-06T02:00", "2026-03-07T02:00", "2026-03-08T02:00"]),
        ("0 0 L * *", ["2026-03-31T00:00", "2026-04-30T00:00", "2026-05-31T00:00"]),
        ("0 0 LW * *", ["2026-03-31T00:00", "2026-04-30T00:00", "2026-05-29T00:00"]),
        ("0 0 15,L * *", ["2026-03-15T00:00", "2026-03-31T00:00", "2026-04-15T00:00"]),
        ("0 0 * * 5#3", ["2026-03-20T00:00", "2026-04-17T00:00", "2026-05-15T00:00"]),
        ("0 0 * * 5L", ["2026-03-27T00:00", "2026-04-24T00:00", "2026-05-29T00:00"]),
        ("0 0 13 * FRI", ["2026-03-06T00:00", "2026-03-13T00:00", "2026-03-20T00:00"]),
        ("0 0 */2 * MON", ["2026-03-09T00:00", "2026-03-23T00:00", "2026-04-13T00:00"]),
        ("*/20 * * * * *", ["2026-03-05T12:00:20", "2026-03-05T12:00:40", "2026-03-05T12:01:00"]),
        ("30 0 0 1 1 *", ["2027-01-01T00:00:30", "2028-01-01T00:00:30", "2029-01-01T00:00:30"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("0 0 31 * *", ["2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00"]),
        ("0 23,1,7 * * *", ["2026-03-05T23:00", "2026-03-06T01:00", "2026-03-06T07:00"]),
    ],
)
def test_an_expression_fires_when_its_reader_expects(expression: str, fires: list[str]) -> None:
    assert first(expression, 3) == [datetime.fromisoformat(fire).replace(tzinfo=UTC) for fire in fires]


def test_both_day_fields_match_together_when_asked() -> None:
    fires = first("0 0 13 * FRI", 3, day_match="and")
    assert [fire.date().isoformat() for fire in fires] == ["2026-03-13", "2026-11-13", "2027-08-13"]


def test_a_leap_day_on_a_weekday_is_found_across_the_year_2100() -> None:
    trigger = cron("0 0 29 2 */7")
    assert trigger.next_after(datetime(2088, 3, 1, tzinfo=UTC)) == datetime(2128, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "day_match"),
    [
        ("0 0 31 2 *", "or"),
        ("0 0 30 2 *", "or"),
        ("0 0 31 4,6,9,11 *", "or"),
        ("0 0 5 * 1#3", "and"),
        ("0 0 31 2 1", "and"),
    ],
)
def test_an_expression_that_no_date_fulfils_is_accepted_and_never_fires(expression: str, day_match: str) -> None:
    trigger = cron(expression, "Europe/London", day_match)  # type: ignore[arg-type]
    assert trigger.next_after(NOON) is None
    assert trigger.next_after(NOON) is None
    assert trigger.describe() == "never"


def test_a_rhythm_that_only_ever_falls_into_a_gap_never_fires() -> None:
    trigger = cron("*/5 2 8-14 3 SUN", "America/New_York", "and")
    assert trigger.next_after(NOON) is None


def test_a_search_that_found_nothing_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = Cron(expression="0 0 5 * 1#3", day_match="and")
    assert trigger.next_after(NOON) is None
    monkeypatch.setattr("matins.domain.triggers.wall_calendar.copy", None)
    assert trigger.next_after(NOON + timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("61 * * * *", ["'61 * * * *'", "minute '61'", "from 0 to 59"]),
        ("* 24 * * *", ["hour '24'"]),
        ("* * 0 * *", ["day of month '0'"]),
        ("* * 32 * *", ["day of month '32'"]),
        ("* * * 13 *", ["month '13'", "JAN to DEC"]),
        ("* * * foo *", ["month 'foo'"]),
        ("* * * * 8", ["day of week '8'", "SUN to SAT"]),
        ("* * * * MONDAY", ["day of week 'MONDAY'"]),
        ("60 * * * * *", ["second '60'"]),
        ("1,61 * * * *", ["minute '1,61'", "'61'"]),
        ("5-x * * * *", ["minute '5-x'"]),
        ("*/0 * * * *", ["minute '*/0'", "step '0'"]),
        ("*/ * * * *", ["minute '*/'"]),
        ("1,,2 * * * *", ["minute '1,,2'", "missing"]),
        (", * * * *", ["minute ','"]),
        ("*-5 * * * *", ["minute '*-5'"]),
        ("-1 * * * *", ["minute '-1'"]),
        ("1.5 * * * *", ["minute '1.5'"]),
        ("? * * * *", ["minute '?'"]),
        ("* * L-3 * *", ["day of month 'L-3'"]),
        ("* * 15W * *", ["day of month '15W'"]),
        ("* * * * L", ["day of week 'L'"]),
        ("* * * * 5#6", ["day of week '5#6'"]),
        ("* * * * 5#", ["day of week '5#'"]),
        ("* * * * 1-3#2", ["day of week '1-3#2'"]),
        ("L * * * *", ["minute 'L'"]),
        ("٣ * * * *", ["minute '٣'"]),
        ("9999999999999 * * * *", ["minute '9999999999999'"]),
        ("", ["''", "0 fields"]),
        ("* * * *", ["'* * * *'", "4 fields"]),
        ("* * * * * * *", ["7 fields"]),
        ("@reboot", ["@reboot", "refused"]),
        ("@fortnightly", ["@fortnightly", "@hourly"]),
        ("* " * 400, ["longer than 500"]),
        (None, ["None"]),
        (5, ["5"]),
    ],
)
def test_a_malformed_expression_is_refused_in_one_line_that_names_what_is_wrong(
    expression: str, names: list[str]
) -> None:
    with pytest.raises(TriggerError) as caught:
        cron(expression)
    message = str(caught.value)
    assert "\n" not in message
    for name in names:
        assert name in message


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Lodnon", "'Europe/London'"),
        ("london", "'Europe/London'"),
        ("america/new_york", "'America/New_York'"),
        ("../etc/passwd", "tz="),
        ("", "tz="),
        ("America", "not known"),
        ("\0", "not known"),
        (5, "5"),
        (None, "None"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_that_is_known(zone: str, hint: str) -> None:
    with pytest.raises(TriggerError, match="time zone") as caught:
        cron("0 0 * * *", zone)
    assert hint in str(caught.value)


def test_an_unknown_way_to_match_days_is_refused() -> None:
    with pytest.raises(TriggerError, match="'xor'"):
        cron("0 0 * * *", day_match="xor")  # type: ignore[arg-type]


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TriggerError, match="no time zone"):
        cron("* * * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_ends_of_time_are_no_errors() -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
        for expression in ("0 2 * * *", "*/5 * * * *"):
            trigger = cron(expression, zone)
            assert trigger.next_after(datetime.max.replace(tzinfo=UTC)) is None
            fire = trigger.next_after(datetime.min.replace(tzinfo=UTC))
            assert fire is not None
            assert fire.year == 1


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (cron("0 2 * * *"), "At 02:00 every day"),
        (cron("0 2 * * *", "Europe/London"), "At 02:00 every day (Europe/London)"),
        (cron("*/15 * * * *"), "Every 15th minute of every hour"),
        (cron("@hourly"), "At the start of every hour"),
        (cron("0 9 * * MON-FRI"), "At 09:00 on Monday through Friday"),
        (cron("0 0 13 * FRI", day_match="and"), "0 0 13 * FRI"),
        (cron("0 0 1-31 * 1"), "0 0 1-31 * 1"),
        (cron("0 0 31 2 *", "Europe/London"), "never"),
    ],
)
def test_a_description_is_in_words_or_else_the_expression_itself(trigger: Cron, words: str) -> None:
    assert trigger.describe() == words


_term = st.sampled_from(
    ["*", "1", "5", "1-3", "3-1", "*/2", "1/2", "2,4", "L", "LW", "5L", "5#3", "SUN", "JAN", "?", "3-1/2"]
)


@given(st.lists(_term, min_size=5, max_size=6).map(" ".join), st.sampled_from(["or", "and"]))
def test_whatever_is_accepted_can_be_described_and_asked(expression: str, day_match: str) -> None:
    with suppress(TriggerError):
        trigger = cron(expression, "America/New_York", day_match)  # type: ignore[arg-type]
        fire = trigger.next_after(NOON)
        assert (fire is None) == (trigger.describe() == "never")
        assert fire is None or fire > NOON


@given(st.text(max_size=30).filter(lambda text: not text.strip().startswith("@")))
def test_any_other_text_is_refused_as_a_trigger_error(text: str) -> None:
    with pytest.raises(TriggerError):
        cron(f"{text} * * * * * * *")
