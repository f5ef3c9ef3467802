"""How many runs may wait ahead follows from how long each is expected to take."""

from __future__ import annotations

from matins.execution.durations import MOST_AHEAD, Durations


def test_a_job_never_seen_gets_an_idle_slot_and_nothing_ahead() -> None:
    durations = Durations()
    assert durations.room("feed", held=0, work=0.0) == 1
    assert durations.room("feed", held=1, work=0.0) == 0


def test_short_runs_are_handed_ahead_for_fifty_milliseconds_of_work() -> None:
    durations = Durations()
    durations.observe("feed", 0.005)
    assert durations.room("feed", held=0, work=0.0) == 10
    assert durations.room("feed", held=4, work=0.02) == 6
    assert durations.room("feed", held=10, work=0.05) == 0


def test_no_more_than_so_many_wait_however_short_they_are() -> None:
    durations = Durations()
    durations.observe("feed", 0.0)
    assert durations.room("feed", held=0, work=0.0) == MOST_AHEAD
    assert durations.room("feed", held=MOST_AHEAD, work=0.01) == 0


def test_nothing_waits_behind_a_long_run() -> None:
    durations = Durations()
    durations.observe("feed", 0.001)
    assert durations.room("feed", held=1, work=float("inf")) == 0


def test_a_long_job_still_gets_an_idle_slot() -> None:
    durations = Durations()
    durations.observe("sync", 60.0)
    assert durations.room("sync", held=0, work=0.0) == 1


def test_the_expectation_follows_what_is_observed() -> None:
    durations = Durations()
    durations.observe("feed", 1.0)
    for _ in range(50):
        durations.observe("feed", 0.01)
    assert 0.009 < durations.expected("feed") < 0.011
