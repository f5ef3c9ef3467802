"""What a moment owes: every policy of missed fires, and the sum that must come out whatever happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matins.domain import planning
from matins.domain.admission import OpenOccurrence
from matins.domain.planning import PlannedRow, account_for_skipped, find_due, next_run, plan
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import MissedPolicy, OccurrenceId, OccurrenceKind, OverlapPolicy, Reason, ScheduleId
from matins.domain.triggers import Trigger, at, cron, every, from_data

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTELY = every(minutes=1)
TRIGGERS = {
    "every": MINUTELY,
    "cron": cron("*/7 * * * *"),
    "zoned": cron("30 2 * * *", tz="Europe/London"),
    "at": at(NOON + timedelta(minutes=30)),
    "never": cron("0 0 31 2 *"),
}


def schedule(trigger: Any = MINUTELY, **values: Any) -> ScheduleDefinition:
    return ScheduleDefinition(id=ScheduleId("a"), trigger=trigger.to_data(), jobs=("work",), **values)


def fires_between(trigger: Trigger, after: datetime, until: datetime) -> list[datetime]:
    found = []
    fire = trigger.next_after(after)
    while fire is not None and fire <= until:
        found.append(fire)
        fire = trigger.next_after(fire)
    return found


class Account:
    """A schedule planned by hand: its rows so far, its watermark, and what is open."""

    def __init__(self, definition: ScheduleDefinition, through: datetime = NOON) -> None:
        self.definition = definition
        self.trigger = from_data(definition.trigger)
        self.began = self.through = through
        self.rows: list[PlannedRow] = []
        self.open: list[OpenOccurrence] = []

    def plan(self, now: datetime) -> list[PlannedRow]:
        """Plan turn by turn until nothing is due."""
        added: list[PlannedRow] = []
        while due := find_due(self.trigger, self.definition, self.through, now):
            made = plan(self.definition, due, self.open, now)
            assert made.planned_through > self.through, "a turn that finds something makes headway"
            self.through = made.planned_through
            for row in made.rows:
                self._open(row)
            added += made.rows
        self.rows += added
        return added

    def _open(self, row: PlannedRow) -> None:
        if not row.skipped:
            id_ = OccurrenceId(len(self.open) + 1)
            self.open.append(OpenOccurrence(id=id_, kind=row.kind, admitted=row.admitted, fire_at=row.fire_at))


def told(rows: list[PlannedRow]) -> list[tuple[str | None, int]]:
    return [(None if row.reason is None else str(row.reason), row.count) for row in rows]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LISTED", 5)
    monkeypatch.setattr(planning, "CHUNK", 7)


def test_nothing_is_due_before_its_time() -> None:
    account = Account(schedule())
    assert account.plan(NOON + timedelta(seconds=59, microseconds=999999)) == []
    assert account.through == NOON
    assert len(account.plan(NOON + timedelta(minutes=1))) == 1


def test_a_fire_at_the_watermark_itself_is_not_planned_again() -> None:
    account = Account(schedule())
    account.plan(NOON + timedelta(minutes=1))
    assert account.plan(NOON + timedelta(minutes=1)) == []


@pytest.mark.parametrize("missed", MissedPolicy)
@pytest.mark.parametrize(("late", "on_time"), [(0, True), (60, True), (60.000001, False), (61, False)])
def test_grace_is_how_late_a_fire_may_be_planned_and_still_be_on_time(
    missed: MissedPolicy, late: float, on_time: bool
) -> None:
    definition = schedule(every(hours=1), missed=missed, grace_seconds=60)
    [row] = Account(definition).plan(NOON + timedelta(hours=1, seconds=late))
    if on_time:
        assert (row.kind, row.reason, row.admitted) == (OccurrenceKind.SCHEDULED, None, True)
    elif missed is MissedPolicy.SKIP:
        assert row.reason is Reason.MISSED
    else:
        assert (row.kind, row.reason, row.admitted) == (OccurrenceKind.CATCH_UP, None, True)


def test_without_grace_only_the_exact_instant_is_on_time() -> None:
    definition = schedule(grace_seconds=0)
    assert told(Account(definition).plan(NOON + timedelta(minutes=1))) == [(None, 1)]
    assert told(Account(definition).plan(NOON + timedelta(minutes=1, microseconds=1))) == [("missed", 1)]


@pytest.mark.parametrize("missed", MissedPolicy)
def test_when_several_are_due_only_the_newest_can_be_on_time(missed: MissedPolicy) -> None:
    definition = schedule(every(seconds=10), missed=missed, overlap=OverlapPolicy.ALLOW)
    rows = Account(definition).plan(NOON + timedelta(seconds=35))
    assert rows[-1].kind is OccurrenceKind.SCHEDULED
    assert (rows[-1].planned_at, rows[-1].reason) == (NOON + timedelta(seconds=30), None)
    assert sum(row.kind is OccurrenceKind.SCHEDULED and not row.skipped for row in rows) == 1


SEVEN = NOON + timedelta(hours=7, minutes=30)


def test_skip_records_all_seven_missed_fires() -> None:
    rows = Account(schedule(every(hours=1))).plan(SEVEN)
    assert told(rows) == [("missed", 7)]
    [row] = rows
    assert (row.range_from, row.planned_at) == (NOON + timedelta(hours=1), NOON + timedelta(hours=7))


def test_run_once_runs_the_newest_of_seven_for_all() -> None:
    rows = Account(schedule(every(hours=1), missed=MissedPolicy.RUN_ONCE)).plan(SEVEN)
    assert told(rows) == [("coalesced", 6), (None, 1)]
    assert (rows[1].kind, rows[1].planned_at) == (OccurrenceKind.CATCH_UP, NOON + timedelta(hours=7))
    assert rows[1].admitted


def test_run_all_makes_up_all_seven_in_order_the_oldest_at_once() -> None:
    rows = Account(schedule(every(hours=1), missed=MissedPolicy.RUN_ALL)).plan(SEVEN)
    assert [row.planned_at for row in rows] == [NOON + timedelta(hours=hour) for hour in range(1, 8)]
    assert {row.kind for row in rows} == {OccurrenceKind.CATCH_UP}
    assert [row.admitted for row in rows] == [True] + [False] * 6


def test_a_fire_on_time_queues_behind_what_is_caught_up() -> None:
    definition = schedule(every(hours=1), missed=MissedPolicy.RUN_ALL, overlap=OverlapPolicy.SKIP)
    rows = Account(definition).plan(NOON + timedelta(hours=3))
    assert told(rows) == [(None, 1)] * 3
    assert [row.kind.value for row in rows] == ["catch_up", "catch_up", "scheduled"]
    assert [row.admitted for row in rows] == [True, False, False]


def test_run_once_with_a_fire_on_time_runs_that_one_as_itself() -> None:
    rows = Account(schedule(every(hours=1), missed=MissedPolicy.RUN_ONCE)).plan(NOON + timedelta(hours=3))
    assert told(rows) == [("coalesced", 2), (None, 1)]
    assert rows[1].kind is OccurrenceKind.SCHEDULED


@pytest.mark.parametrize(
    ("missed", "rest"),
    [
        (MissedPolicy.RUN_ONCE, [("coalesced", 2), (None, 1)]),
        (MissedPolicy.RUN_ALL, [(None, 1), (None, 1), (None, 1)]),
    ],
)
def test_what_lies_beyond_the_catch_up_window_is_one_row_with_a_count(
    missed: MissedPolicy, rest: list[tuple[str | None, int]]
) -> None:
    definition = schedule(every(hours=1), missed=missed, catch_up_window_seconds=2.75 * 3600)
    assert told(Account(definition).plan(SEVEN)) == [("catch_up_limit", 4), *rest]


def test_not_even_the_newest_is_made_up_when_it_lies_beyond_the_window() -> None:
    definition = schedule(every(hours=1), missed=MissedPolicy.RUN_ONCE, catch_up_window_seconds=600)
    assert told(Account(definition).plan(SEVEN)) == [("catch_up_limit", 7)]


def test_no_more_than_the_cap_wait_to_be_made_up_and_the_rest_is_one_row() -> None:
    definition = schedule(every(hours=1), missed=MissedPolicy.RUN_ALL, catch_up_limit=3)
    account = Account(definition)
    assert told(account.plan(SEVEN)) == [(None, 1), (None, 1), (None, 1), ("catch_up_limit", 4)]
    assert told(account.plan(SEVEN + timedelta(hours=2))) == [("catch_up_limit", 2)]


def test_jitter_delays_the_fire_and_counts_towards_neither_grace_nor_lateness() -> None:
    definition = schedule(every(hours=1), jitter_seconds=1800, grace_seconds=5)
    offset = definition.jitter_offset
    assert timedelta(0) < offset < timedelta(seconds=1800)
    account = Account(definition)
    assert account.plan(NOON + timedelta(hours=1) + offset - timedelta(microseconds=1)) == []
    [row] = account.plan(NOON + timedelta(hours=1) + offset + timedelta(seconds=5))
    assert row.reason is None
    assert (row.planned_at, row.fire_at) == (NOON + timedelta(hours=1), NOON + timedelta(hours=1) + offset)
    assert next_run(account.trigger, definition, account.through) == NOON + timedelta(hours=2) + offset


def test_a_schedule_that_never_fires_owes_nothing_and_has_no_next_run() -> None:
    never = schedule(TRIGGERS["never"])
    assert Account(never).plan(NOON + timedelta(days=4000)) == []
    assert next_run(TRIGGERS["never"], never, NOON) is None


def test_one_fire_missed_by_years_is_one_row() -> None:
    once = schedule(TRIGGERS["at"])
    assert told(Account(once).plan(NOON + timedelta(days=4000))) == [("missed", 1)]


@pytest.mark.parametrize("missed", [MissedPolicy.RUN_ONCE, MissedPolicy.RUN_ALL, MissedPolicy.SKIP])
@pytest.mark.parametrize("field", ["grace_seconds", "catch_up_window_seconds"])
def test_limits_longer_than_time_itself_mean_no_limit(missed: MissedPolicy, field: str) -> None:
    definition = schedule(every(hours=1), missed=missed, **{field: 1e14})
    rows = Account(definition).plan(NOON + timedelta(days=30))
    assert sum(row.count for row in rows) == 720
    assert not any(row.reason is Reason.CATCH_UP_LIMIT for row in rows) or field == "grace_seconds"


@pytest.mark.parametrize("trigger", [every(seconds=10), cron("*/10 * * * * *")], ids=["every", "cron"])
def test_run_once_runs_after_an_absence_too_long_to_be_listed(trigger: Any) -> None:
    definition = schedule(trigger, missed=MissedPolicy.RUN_ONCE, grace_seconds=0)
    rows = Account(definition).plan(NOON + timedelta(hours=3, seconds=5))
    assert sum(row.count for row in rows) == 3 * 360
    [run] = [row for row in rows if not row.skipped]
    assert (run.planned_at, run.kind) == (NOON + timedelta(hours=3), OccurrenceKind.CATCH_UP)
    assert {row.reason for row in rows if row.skipped} == {Reason.COALESCED}


@pytest.mark.parametrize("missed", MissedPolicy)
def test_a_decade_of_absence_takes_few_turns_where_arithmetic_counts(missed: MissedPolicy) -> None:
    definition = schedule(MINUTELY, missed=missed, catch_up_limit=10)
    now = NOON + timedelta(days=3650, seconds=30)
    turns = 0
    account = Account(definition)
    while due := find_due(account.trigger, definition, account.through, now):
        account.through = plan(definition, due, (), now).planned_through
        turns += 1
    assert turns <= 7 * 24 * 60 // planning.LISTED + 2


def test_merged_rows_join_only_neighbours_of_one_reason() -> None:
    definition = schedule(
        every(hours=1), missed=MissedPolicy.RUN_ALL, catch_up_limit=1, catch_up_window_seconds=4.75 * 3600
    )
    rows = Account(definition).plan(SEVEN)
    assert told(rows) == [("catch_up_limit", 2), (None, 1), ("catch_up_limit", 4)]
    assert [(row.range_from, row.planned_at) for row in rows] == [
        (NOON + timedelta(hours=1), NOON + timedelta(hours=2)),
        (None, NOON + timedelta(hours=3)),
        (NOON + timedelta(hours=4), NOON + timedelta(hours=7)),
    ]


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("jitter", [0.0, 900.0])
def test_accounting_for_skipped_fires_counts_each_of_them_once(name: str, jitter: float, small_chunks: None) -> None:
    trigger = TRIGGERS[name]
    definition = schedule(trigger, jitter_seconds=jitter)
    until = NOON + timedelta(hours=3)
    through, rows = NOON, []
    while True:
        made = account_for_skipped(trigger, definition, through, until, Reason.DISABLED)
        assert made.planned_through >= through
        rows += made.rows
        through = made.planned_through
        if through >= until - definition.jitter_offset:
            break
    assert sum(row.count for row in rows) == len(fires_between(trigger, NOON, until - definition.jitter_offset))
    assert {row.reason for row in rows} <= {Reason.DISABLED}


def test_accounting_up_to_before_the_watermark_moves_nothing_back() -> None:
    made = account_for_skipped(MINUTELY, schedule(), NOON, NOON - timedelta(hours=1), Reason.DISABLED)
    assert (made.rows, made.planned_through) == ((), NOON)


definitions = st.builds(
    schedule,
    st.sampled_from(list(TRIGGERS.values())) | st.integers(1, 5000).map(lambda n: every(seconds=n)),
    missed=st.sampled_from(MissedPolicy),
    overlap=st.sampled_from(OverlapPolicy),
    grace_seconds=st.sampled_from([0.0, 1.0, 60.0, 86400.0]),
    catch_up_window_seconds=st.sampled_from([0.0, 30.0, 3600.0, 7 * 86400.0]),
    catch_up_limit=st.integers(1, 12),
    buffer_limit=st.integers(1, 4),
    jitter_seconds=st.sampled_from([0.0, 45.0, 4000.0]),
)
waits = st.lists(st.sampled_from([0, 1, 59, 61, 600, 7200, 30000]), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(definition=definitions, waits=waits)
def test_the_counts_of_all_rows_are_the_fires_between_the_watermarks(
    definition: ScheduleDefinition, waits: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LISTED", 5)
        patch.setattr(planning, "CHUNK", 7)
        _conserves(definition, waits)


def _conserves(definition: ScheduleDefinition, waits: list[int]) -> None:
    account, now = Account(definition), NOON
    for wait in waits:
        now += timedelta(seconds=wait)
        before = account.through
        added = account.plan(now)
        assert account.through >= before
        assert all(row.fire_at <= now for row in added), "never early"
        assert all(row.fire_at == row.planned_at + definition.jitter_offset for row in added)
        if wait % 2:
            account.open = []  # everything ended meanwhile
    due = fires_between(account.trigger, NOON, now - definition.jitter_offset)
    assert sum(row.count for row in account.rows) == len(due)
    assert account.through == (due[-1] if due else NOON)
    for row in account.rows:
        inside = fires_between(
            account.trigger, (row.range_from or row.planned_at) - timedelta.resolution, row.planned_at
        )
        assert len(inside) == row.count
        assert (row.range_from is None) == (row.count == 1)
        assert row.skipped or row.count == 1
    for one, following in pairwise(account.rows):
        assert one.planned_at < (following.range_from or following.planned_at)


@settings(max_examples=100, deadline=None)
@given(definition=definitions, away=st.integers(0, 40000))
def test_one_absence_leads_to_exactly_the_runs_its_policy_promises(definition: ScheduleDefinition, away: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LISTED", 5)
        patch.setattr(planning, "CHUNK", 7)
        _keeps_its_promise(definition, NOON + timedelta(seconds=away))


def _keeps_its_promise(definition: ScheduleDefinition, now: datetime) -> None:
    account = Account(definition)
    rows = account.plan(now)
    due = fires_between(account.trigger, NOON, now - definition.jitter_offset)
    runs = [row.planned_at for row in rows if not row.skipped]
    on_time = due[-1:] if due and now - definition.jitter_offset - due[-1] <= _seconds(definition.grace_seconds) else []
    window = _seconds(definition.catch_up_window_seconds)
    recent = [fire for fire in due if now - definition.jitter_offset - fire <= window]
    if definition.missed is MissedPolicy.SKIP:
        assert runs == on_time
    elif definition.missed is MissedPolicy.RUN_ONCE:
        assert runs == (on_time or recent[-1:])
    elif not on_time:
        assert runs == recent[: definition.catch_up_limit]
    else:
        made_up = [fire for fire in recent if fire not in on_time][: definition.catch_up_limit]
        assert runs in (made_up, made_up + on_time), "behind a full queue the newest may be refused, never the others"


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
