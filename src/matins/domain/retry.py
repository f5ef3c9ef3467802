"""What follows an attempt that did not succeed: another, and when, or nothing. Pure; chance is an argument."""

from __future__ import annotations

from dataclasses import dataclass

from matins.domain.job import Backoff, Job
from matins.domain.states import OnLost, RunStatus

LOST_ATTEMPTS = 3
"""How often a job that may be repeated but declares no retries is begun in all when its workers keep dying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAttempt:
    """Another attempt: how long to wait, and its number among those that count against the retries."""

    delay_seconds: float
    counted: int


def next_attempt(job: Job, status: RunStatus, *, counted: int, chance: float) -> NextAttempt | None:
    """Whether another attempt follows one that ended so; `counted` is that attempt's own number among those that count.

    Args:
        chance: uniform in [0, 1); spreads the waits of attempts that failed together.
    """
    if status in (RunStatus.FAILED, RunStatus.TIMED_OUT) and counted <= job.retries:
        return NextAttempt(delay_seconds=backoff_delay(job.backoff, counted, chance), counted=counted + 1)
    if job.on_lost is OnLost.RETRY and status is RunStatus.LOST and counted < max(job.retries + 1, LOST_ATTEMPTS):
        return NextAttempt(delay_seconds=0, counted=counted + 1)
    if job.on_lost is OnLost.RETRY and status is RunStatus.INTERRUPTED:
        return NextAttempt(delay_seconds=0, counted=counted)
    return None


def backoff_delay(backoff: Backoff, failures: int, chance: float) -> float:
    """Seconds to wait after so many failures."""
    exponent = min(failures - 1, 64)
    delay = min(backoff.initial_seconds * backoff.factor**exponent, backoff.maximum_seconds)
    return max(0.0, delay * (1 + backoff.jitter * (2 * chance - 1)))
