"""Whether a fire or a request starts, waits or is skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.admission import OpenOccurrence, Verdict, admit, next_to_admit
from matins.domain.states import OccurrenceId, OccurrenceKind, OverlapPolicy, Reason

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIVE, CATCH_UP, BACKFILL = OccurrenceKind.SCHEDULED, OccurrenceKind.CATCH_UP, OccurrenceKind.BACKFILL
_ids = count(1)


def running(kind: OccurrenceKind = LIVE) -> OpenOccurrence:
    return OpenOccurrence(id=OccurrenceId(next(_ids)), kind=kind, admitted=True, fire_at=NOON)


def waiting(kind: OccurrenceKind = LIVE, minutes: int = 0) -> OpenOccurrence:
    fire_at = NOON + timedelta(minutes=minutes)
    return OpenOccurrence(id=OccurrenceId(next(_ids)), kind=kind, admitted=False, fire_at=fire_at)


@pytest.mark.parametrize("overlap", OverlapPolicy)
@pytest.mark.parametrize("kind", OccurrenceKind)
def test_with_nothing_open_everything_starts(kind: OccurrenceKind, overlap: OverlapPolicy) -> None:
    assert admit(kind, overlap, (), buffer_limit=1).verdict is Verdict.START


@pytest.mark.parametrize(
    ("overlap", "verdict", "reason"),
    [
        (OverlapPolicy.SKIP, Verdict.SKIP, Reason.OVERLAP),
        (OverlapPolicy.BUFFER_ONE, Verdict.WAIT, None),
        (OverlapPolicy.BUFFER_ALL, Verdict.WAIT, None),
        (OverlapPolicy.ALLOW, Verdict.START, None),
        (OverlapPolicy.CANCEL_RUNNING, Verdict.WAIT, None),
    ],
)
@pytest.mark.parametrize("kind", [LIVE, OccurrenceKind.MANUAL, OccurrenceKind.RETRY])
def test_the_policy_decides_what_becomes_of_one_that_meets_a_running_one(
    kind: OccurrenceKind, overlap: OverlapPolicy, verdict: Verdict, reason: Reason | None
) -> None:
    admission = admit(kind, overlap, [running()], buffer_limit=5)
    assert (admission.verdict, admission.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("overlap", "limit", "kept"), [(OverlapPolicy.BUFFER_ONE, 9, 1), (OverlapPolicy.BUFFER_ALL, 3, 3)]
)
def test_a_buffer_takes_as_many_as_it_may_and_refuses_the_rest(overlap: OverlapPolicy, limit: int, kept: int) -> None:
    standing = [running(), *(waiting() for _ in range(kept - 1))]
    assert admit(LIVE, overlap, standing, buffer_limit=limit).verdict is Verdict.WAIT
    refused = admit(LIVE, overlap, [*standing, waiting()], buffer_limit=limit)
    assert (refused.verdict, refused.reason) == (Verdict.SKIP, Reason.BUFFER_FULL)


def test_cancel_running_stops_those_that_run_and_replaces_those_that_wait() -> None:
    one, other, queued = running(), running(), waiting()
    admission = admit(LIVE, OverlapPolicy.CANCEL_RUNNING, [one, other, queued], buffer_limit=1)
    assert (admission.cancels, admission.replaces) == ((one.id, other.id), (queued.id,))


def test_what_is_caught_up_is_neither_cancelled_nor_replaced() -> None:
    standing = [running(CATCH_UP), waiting(CATCH_UP)]
    admission = admit(LIVE, OverlapPolicy.CANCEL_RUNNING, standing, buffer_limit=5)
    assert (admission.verdict, admission.cancels, admission.replaces) == (Verdict.WAIT, (), ())


@pytest.mark.parametrize("overlap", OverlapPolicy)
def test_catch_up_always_queues(overlap: OverlapPolicy) -> None:
    standing = [running(), waiting(), *(waiting(CATCH_UP) for _ in range(20))]
    assert admit(CATCH_UP, overlap, standing, buffer_limit=1).verdict is Verdict.WAIT


@pytest.mark.parametrize("overlap", OverlapPolicy)
@pytest.mark.parametrize("behind", [running(CATCH_UP), waiting(CATCH_UP), running(BACKFILL)])
def test_a_live_fire_behind_catch_up_or_a_backfill_waits_whatever_the_policy(
    overlap: OverlapPolicy, behind: OpenOccurrence
) -> None:
    assert admit(LIVE, overlap, [behind], buffer_limit=5).verdict is Verdict.WAIT


@pytest.mark.parametrize("overlap", OverlapPolicy)
def test_a_backfill_that_only_waits_holds_up_nobody(overlap: OverlapPolicy) -> None:
    assert admit(LIVE, overlap, [waiting(BACKFILL)], buffer_limit=1).verdict is Verdict.START


@pytest.mark.parametrize("overlap", OverlapPolicy)
def test_a_backfill_waits_for_everything(overlap: OverlapPolicy) -> None:
    for one in (running(), waiting(), waiting(BACKFILL)):
        assert admit(BACKFILL, overlap, [one], buffer_limit=1).verdict is Verdict.WAIT


def test_nothing_comes_up_while_one_runs() -> None:
    assert next_to_admit([running(), waiting(), waiting(CATCH_UP)]) == ()


def test_what_waits_comes_up_catch_up_first_then_live_then_backfill_each_oldest_first() -> None:
    standing = [
        waiting(BACKFILL, 0),
        waiting(BACKFILL, 5),
        waiting(LIVE, 7),
        waiting(OccurrenceKind.MANUAL, 6),
        waiting(CATCH_UP, 9),
        waiting(CATCH_UP, 8),
    ]
    order = []
    while standing:
        [following] = next_to_admit(standing)
        order.append((following.kind, following.fire_at.minute))
        standing.remove(following)
    assert order == [
        (CATCH_UP, 8),
        (CATCH_UP, 9),
        (OccurrenceKind.MANUAL, 6),
        (LIVE, 7),
        (BACKFILL, 0),
        (BACKFILL, 5),
    ]


@given(
    arrivals=st.lists(st.tuples(st.sampled_from(OccurrenceKind), st.booleans()), max_size=20),
    overlap=st.sampled_from([policy for policy in OverlapPolicy if policy is not OverlapPolicy.ALLOW]),
    limit=st.integers(1, 4),
)
def test_one_at_a_time_unless_the_policy_allows_more_and_none_waits_for_nothing(
    arrivals: list[tuple[OccurrenceKind, bool]], overlap: OverlapPolicy, limit: int
) -> None:
    standing: list[OpenOccurrence] = []
    for kind, one_ends_first in arrivals:
        if one_ends_first:
            standing = [one for one in standing if not one.admitted]
            comes_up = next_to_admit(standing)
            standing = [one for one in standing if one not in comes_up] + [running(one.kind) for one in comes_up]
        admission = admit(kind, overlap, standing, buffer_limit=limit)
        standing = [one for one in standing if one.id not in admission.replaces]
        if admission.verdict is Verdict.START:
            standing.append(running(kind))
        elif admission.verdict is Verdict.WAIT:
            standing.append(waiting(kind))
        assert sum(one.admitted for one in standing) <= 1
        assert not standing or any(one.admitted for one in standing)
