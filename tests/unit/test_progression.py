"""How an occurrence goes on when a run ends, and what it is in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.progression import Advance, OccurrenceState, RunState, advance
from matins.domain.states import OccurrenceStatus, Reason, RunStatus

THREE = ("a", "b", "c")
ENDED = [status for status in RunStatus if status.ended]


def runs(*statuses: RunStatus) -> list[RunState]:
    return [RunState(position=position, status=status) for position, status in enumerate(statuses)]


def after(*statuses: RunStatus, **values: object) -> Advance:
    return advance(OccurrenceState(jobs=THREE, **values), runs(*statuses))  # type: ignore[arg-type]


def test_jobs_start_in_order_one_at_a_time() -> None:
    assert after().start == (0,)
    assert after(RunStatus.SUCCEEDED).start == (1,)
    assert after(RunStatus.SUCCEEDED, RunStatus.RUNNING) == Advance()


@pytest.mark.parametrize(("parallel", "start"), [(1, (0,)), (2, (0, 1)), (3, THREE), (9, THREE)])
def test_parallel_bounds_how_many_jobs_go_at_once(parallel: int, start: tuple[object, ...]) -> None:
    assert len(after(parallel=parallel).start) == len(start)


def test_with_parallel_jobs_each_end_makes_room_for_the_next() -> None:
    assert after(RunStatus.RUNNING, RunStatus.SUCCEEDED, parallel=2).start == (2,)
    assert after(RunStatus.RUNNING, RunStatus.PENDING, parallel=2) == Advance()


@pytest.mark.parametrize("status", [status for status in ENDED if status is not RunStatus.SUCCEEDED])
def test_a_job_that_does_not_succeed_stops_none_of_the_others(status: RunStatus) -> None:
    assert after(status).start == (1,)


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST])
def test_stop_on_failure_records_the_rest_as_skipped(status: RunStatus) -> None:
    step = after(status, stop_on_failure=True)
    assert (step.start, step.skip, step.reason) == ((), (1, 2), Reason.EARLIER_FAILURE)
    assert step.outcome in (OccurrenceStatus.FAILED, OccurrenceStatus.LOST)


def test_stop_on_failure_waits_for_what_already_runs() -> None:
    assert after(RunStatus.FAILED, RunStatus.RUNNING, parallel=2, stop_on_failure=True) == Advance()


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((RunStatus.SUCCEEDED,) * 3, OccurrenceStatus.SUCCEEDED),
        ((RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SUCCEEDED), OccurrenceStatus.FAILED),
        ((RunStatus.SUCCEEDED, RunStatus.TIMED_OUT, RunStatus.LOST), OccurrenceStatus.FAILED),
        ((RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.LOST), OccurrenceStatus.LOST),
        ((RunStatus.CANCELLED, RunStatus.INTERRUPTED, RunStatus.SUCCEEDED), OccurrenceStatus.CANCELLED),
        ((RunStatus.SUCCEEDED, RunStatus.INTERRUPTED, RunStatus.SUCCEEDED), OccurrenceStatus.INTERRUPTED),
        ((RunStatus.SKIPPED,) * 3, OccurrenceStatus.SKIPPED),
    ],
)
def test_the_outcome_is_the_gravest_of_its_runs(statuses: tuple[RunStatus, ...], outcome: OccurrenceStatus) -> None:
    assert after(*statuses) == Advance(outcome=outcome)


@pytest.mark.parametrize("stopping", [Reason.CANCELLED, Reason.TIMED_OUT])
def test_what_stops_an_occurrence_that_had_done_everything_takes_nothing_away(stopping: Reason) -> None:
    assert after(*(RunStatus.SUCCEEDED,) * 3, stopping=stopping).outcome is OccurrenceStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("stopping", "outcome"),
    [(Reason.CANCELLED, OccurrenceStatus.CANCELLED), (Reason.TIMED_OUT, OccurrenceStatus.FAILED)],
)
def test_what_stops_an_occurrence_with_jobs_to_come_is_its_outcome(stopping: Reason, outcome: OccurrenceStatus) -> None:
    step = after(RunStatus.SUCCEEDED, stopping=stopping)
    assert (step.start, step.skip, step.reason, step.outcome) == ((), (1, 2), stopping, outcome)


def test_an_occurrence_whose_time_was_over_before_its_run_could_start_has_failed() -> None:
    step = after(RunStatus.SUCCEEDED, RunStatus.SUCCEEDED, RunStatus.SKIPPED, stopping=Reason.TIMED_OUT)
    assert step.outcome is OccurrenceStatus.FAILED


@given(
    parallel=st.integers(1, 4),
    stop_on_failure=st.booleans(),
    stopping=st.sampled_from([None, Reason.CANCELLED, Reason.TIMED_OUT]),
    ends=st.lists(st.sampled_from(ENDED), min_size=6, max_size=6),
    order=st.randoms(use_true_random=False),
    jobs=st.integers(1, 6),
)
def test_every_occurrence_ends_with_one_run_for_each_job(
    parallel: int, stop_on_failure: bool, stopping: Reason | None, ends: list[RunStatus], order: object, jobs: int
) -> None:
    state = OccurrenceState(
        jobs=tuple("abcdef"[:jobs]), parallel=parallel, stop_on_failure=stop_on_failure, stopping=stopping
    )
    latest: dict[int, RunStatus] = {}
    step = advance(state, ())
    while step.outcome is None:
        assert not set(step.start) & latest.keys(), "no job is started twice"
        latest |= dict.fromkeys(step.start, RunStatus.RUNNING)
        going = [position for position, status in latest.items() if not status.ended]
        assert 0 < len(going) <= parallel
        ended = order.choice(going)  # type: ignore[attr-defined]
        latest[ended] = ends[ended]
        step = advance(state, [RunState(position=at, status=status) for at, status in latest.items()])
    assert sorted([*latest, *step.skip]) == list(range(jobs))
