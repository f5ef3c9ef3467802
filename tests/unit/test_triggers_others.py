from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.triggers import (
    Count,
    Every,
    KnownTrigger,
    StoredTrigger,
    Trigger,
    at,
    count_between,
    cron,
    every,
    from_data,
    store_fires,
)
from matins.errors import FiresExhausted, TriggerError

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
instants = st.integers(-(10**15), 10**16).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))


class TwiceDaily:
    """A user's own trigger."""

    def next_after(self, instant: datetime) -> datetime | None:
        return instant + timedelta(hours=12)


class Answering:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def next_after(self, instant: datetime) -> datetime | None:
        return self.answer  # type: ignore[return-value]


def test_an_interval_is_counted_from_the_epoch() -> None:
    assert every(minutes=15).next_after(NOON) == NOON + timedelta(minutes=15)
    assert every(minutes=15).next_after(NOON - timedelta(microseconds=1)) == NOON
    assert every(weeks=1).next_after(NOON) == datetime(2026, 3, 12, tzinfo=UTC)


def test_an_anchor_shifts_the_grid_to_both_sides() -> None:
    trigger = every(hours=24, anchor=datetime(2026, 6, 1, 7, tzinfo=timezone(timedelta(hours=2))))
    assert trigger.next_after(NOON) == datetime(2026, 3, 6, 5, tzinfo=UTC)
    assert trigger.describe() == "Every 1d, counted from 2026-06-01 05:00:00 UTC"
    assert every(minutes=90).describe() == "Every 1h30m"


@given(instants, st.integers(100_000, 10**13), instants)
def test_an_interval_fires_next_at_most_one_interval_later(
    instant: datetime, microseconds: int, anchor: datetime
) -> None:
    interval = timedelta(microseconds=microseconds)
    trigger = Every(interval=interval, anchor=anchor)
    fire = trigger.next_after(instant)
    assert fire is not None
    assert instant < fire <= instant + interval
    assert (fire - anchor) % interval == timedelta(0)


@pytest.mark.parametrize(
    "units",
    [
        {},
        {"seconds": 0},
        {"seconds": -5},
        {"seconds": 0.01},
        {"minutes": float("nan")},
        {"hours": float("inf")},
        {"days": 10**12},
        {"seconds": "5"},
        {"minutes": True},
        {"hours": 1, "seconds": -3600},
    ],
)
def test_an_interval_that_is_none_is_refused_in_one_line(units: dict[str, float]) -> None:
    with pytest.raises(TriggerError, match="every") as caught:
        every(**units)
    assert "\n" not in str(caught.value)


def test_a_single_fire_is_over_once_it_was() -> None:
    trigger = at("2026-03-05T13:00:00+01:00")
    assert trigger.next_after(NOON - timedelta(microseconds=1)) == NOON
    assert trigger.next_after(NOON) is None
    assert trigger.describe() == "Once, at 2026-03-05 12:00:00 UTC"


@pytest.mark.parametrize(
    "instant", ["tomorrow", "", "2026-13-01T00:00Z", "2026-01-01T00:00", 5, None, "0001-01-01T00:00+14:00"]
)
def test_what_is_no_instant_is_refused_in_one_line(instant: str) -> None:
    for make in (lambda: at(instant), lambda: every(seconds=1, anchor=instant or "")):
        with pytest.raises(TriggerError) as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "trigger",
    [
        cron("0 2 * * *", "Europe/London", "and"),
        every(seconds=0.5, anchor=NOON),
        every(days=1),
        at(NOON),
        StoredTrigger(type="m:C", description="d", fires=(NOON, NOON + HOUR), complete=True),
        StoredTrigger(type="m:C", description="d", fires=(), complete=False),
    ],
)
def test_a_trigger_survives_being_data(trigger: KnownTrigger) -> None:
    assert from_data(json.loads(json.dumps(trigger.to_data()))) == trigger


def test_the_same_cron_data_is_read_only_once() -> None:
    assert from_data(cron("0 2 * * *").to_data()) is from_data(cron("0 2 * * *").to_data())


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "moon"},
        {"kind": []},
        None,
        {"kind": "cron"},
        {"kind": "cron", "expression": "x", "tz": "UTC", "day_match": "or"},
        {"kind": "every", "seconds": "a", "anchor": None},
        {"kind": "at", "instant": None},
        {"kind": "custom", "type": "m:C", "description": "", "fires": 5, "complete": True},
    ],
)
def test_data_that_is_no_trigger_is_a_trigger_error(data: dict[str, object]) -> None:
    with pytest.raises(TriggerError):
        from_data(data)


def test_the_next_fires_of_a_users_own_trigger_are_kept() -> None:
    stored = store_fires(TwiceDaily(), NOON, 3)
    assert stored.fires == (NOON + 12 * HOUR, NOON + 24 * HOUR, NOON + 36 * HOUR)
    assert stored.type.endswith(":TwiceDaily")
    assert stored.description == stored.type
    assert stored.next_after(NOON + 12 * HOUR) == NOON + 24 * HOUR


def test_asked_past_what_is_stored_a_trigger_says_so_unless_none_follow() -> None:
    with pytest.raises(FiresExhausted, match="TwiceDaily end at 2026-03-07 00:00:00 UTC"):
        store_fires(TwiceDaily(), NOON, 3).next_after(NOON + 36 * HOUR)
    ended = store_fires(at(NOON + HOUR), NOON)
    assert ended.complete
    assert ended.next_after(NOON + HOUR) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (datetime(2026, 3, 6), "no time zone"),  # noqa: DTZ001
        (NOON, "not later"),
        (NOON - HOUR, "not later"),
        ("2026-03-06", "not a datetime"),
        (5, "not a datetime"),
    ],
)
def test_an_answer_that_breaks_the_promise_of_triggers_is_named(answer: object, says: str) -> None:
    with pytest.raises(TriggerError, match=says) as caught:
        store_fires(Answering(answer), NOON)
    assert "Answering" in str(caught.value)


def test_only_next_after_makes_a_trigger() -> None:
    assert isinstance(TwiceDaily(), Trigger)
    assert not isinstance(object(), Trigger)


def test_a_count_of_an_interval_is_arithmetic_and_knows_no_limit() -> None:
    trigger = every(seconds=1)
    century = timedelta(days=36525)
    assert count_between(trigger, NOON, NOON + century, 1) == Count(
        count=36525 * 86400, first=NOON + timedelta(seconds=1), last=NOON + century, complete=True
    )


@given(instants, st.integers(0, 10**9), st.integers(100_000, 10**8))
def test_arithmetic_counts_what_going_one_by_one_counts(after: datetime, stretch: int, microseconds: int) -> None:
    class OneByOne(Every):
        """Not taken for `Every` itself."""

    interval = timedelta(microseconds=microseconds)
    until = after + timedelta(microseconds=stretch)
    exact = count_between(Every(interval=interval), after, until, 1)
    assert exact == count_between(OneByOne(interval=interval), after, until, 10**6)


def test_a_count_stops_at_its_limit_and_goes_on_from_its_last_fire() -> None:
    trigger, until = cron("0 * * * *"), NOON + 10 * HOUR
    part = count_between(trigger, NOON, until, 4)
    assert part == Count(count=4, first=NOON + HOUR, last=NOON + 4 * HOUR, complete=False)
    rest = count_between(trigger, part.last, until, 100)
    assert rest == Count(count=6, first=NOON + 5 * HOUR, last=until, complete=True)


def test_a_count_that_reaches_its_limit_with_the_last_fire_is_complete() -> None:
    assert count_between(cron("0 * * * *"), NOON, NOON + 4 * HOUR, 4).complete


def test_nothing_to_count_is_complete() -> None:
    for trigger in (cron("0 * * * *"), every(hours=1), at(NOON), cron("0 0 31 2 *")):
        none = Count(count=0, first=NOON, last=NOON, complete=True)
        assert count_between(trigger, NOON, NOON + timedelta(minutes=59), 5) == none
        assert count_between(trigger, NOON, NOON - 5 * HOUR, 5) == none


def test_a_count_past_the_stored_fires_is_not_complete() -> None:
    stored = store_fires(TwiceDaily(), NOON, 2)
    until = NOON + 100 * HOUR
    assert count_between(stored, NOON, until, 50) == Count(
        count=2, first=NOON + 12 * HOUR, last=NOON + 24 * HOUR, complete=False
    )
    with pytest.raises(FiresExhausted):
        count_between(stored, NOON + 24 * HOUR, until, 50)


def test_a_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="limit 0"):
        count_between(at(NOON), NOON, NOON, 0)
