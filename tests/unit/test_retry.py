"""What follows an attempt that did not succeed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.job import Backoff, Job
from matins.domain.retry import LOST_ATTEMPTS, NextAttempt, backoff_delay, next_attempt
from matins.domain.states import OnLost, RunStatus


def job(**values: object) -> Job:
    return Job(name="work", **values)  # type: ignore[arg-type]


STEADY = Backoff(initial_seconds=10, factor=2, maximum_seconds=60, jitter=0)


def test_waits_grow_by_the_factor_up_to_the_maximum() -> None:
    assert [backoff_delay(STEADY, failures, 0.9) for failures in range(1, 6)] == [10, 20, 40, 60, 60]


def test_a_thousand_failures_still_have_a_wait() -> None:
    assert backoff_delay(Backoff(factor=10, maximum_seconds=3600, jitter=0), 1000, 0.5) == 3600


@given(
    failures=st.integers(1, 200),
    chance=st.floats(0, 1, exclude_max=True),
    jitter=st.floats(0, 1),
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 100),
    maximum=st.floats(0, 1e6),
)
def test_jitter_spreads_a_wait_by_no_more_than_its_fraction(
    failures: int, chance: float, jitter: float, initial: float, factor: float, maximum: float
) -> None:
    backoff = Backoff(initial_seconds=initial, factor=factor, maximum_seconds=maximum, jitter=jitter)
    plain = min(initial * factor ** min(failures - 1, 64), maximum)
    assert plain * (1 - jitter) - 1e-6 <= backoff_delay(backoff, failures, chance) <= plain * (1 + jitter) + 1e-6


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.TIMED_OUT])
def test_a_job_is_tried_once_more_than_it_has_retries(status: RunStatus) -> None:
    tried = job(retries=2, backoff=STEADY)
    assert next_attempt(tried, status, counted=1, chance=0.5) == NextAttempt(delay_seconds=10, counted=2)
    assert next_attempt(tried, status, counted=2, chance=0.5) == NextAttempt(delay_seconds=20, counted=3)
    assert next_attempt(tried, status, counted=3, chance=0.5) is None


def test_a_job_without_retries_is_tried_once() -> None:
    assert next_attempt(job(), RunStatus.FAILED, counted=1, chance=0.5) is None


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.SKIPPED])
def test_nothing_follows_a_run_that_succeeded_was_cancelled_or_skipped(status: RunStatus) -> None:
    assert next_attempt(job(retries=5, on_lost=OnLost.RETRY), status, counted=1, chance=0.5) is None


@pytest.mark.parametrize("status", [RunStatus.LOST, RunStatus.INTERRUPTED])
def test_a_lost_or_interrupted_run_is_repeated_at_once_only_where_the_job_may_be(status: RunStatus) -> None:
    following = next_attempt(job(on_lost=OnLost.RETRY), status, counted=1, chance=0.5)
    assert following is not None
    assert following.delay_seconds == 0
    assert next_attempt(job(retries=5, on_lost=OnLost.FAIL), status, counted=1, chance=0.5) is None


def test_a_job_that_kills_its_worker_every_time_ends() -> None:
    counted, attempts = 1, 1
    while following := next_attempt(job(on_lost=OnLost.RETRY), RunStatus.LOST, counted=counted, chance=0.5):
        counted, attempts = following.counted, attempts + 1
        assert attempts <= LOST_ATTEMPTS
    assert attempts == LOST_ATTEMPTS


def test_interruptions_do_not_count_against_the_retries() -> None:
    tried = job(retries=1, on_lost=OnLost.RETRY)
    for _ in range(50):
        assert next_attempt(tried, RunStatus.INTERRUPTED, counted=1, chance=0.5) == NextAttempt(
            delay_seconds=0, counted=1
        )
