"""The loop: trouble is told, waited out with growing pauses, and told again when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from matins.daemon.loop import AT_ONCE, FIRST_BACKOFF, LONGEST_BACKOFF, Loop, Pause
from matins.errors import AppLoadError
from matins.telemetry.events import ServiceFailed, ServiceRecovered
from tests.service.stand_ins import Heard

PATIENCE = 10.0


class Script:
    """A service that does what its test says, turn by turn."""

    name = "script"

    def __init__(self, *turns: Callable[[], Pause]) -> None:
        self._turns = list(turns)

    def run_once(self) -> Pause:
        return self._turns.pop(0)()


def _fail() -> Pause:
    raise ValueError("no")


def _rest() -> Pause:
    return Pause(5.0)


def test_pauses_double_up_to_a_limit_and_trouble_is_told_each_time(heard: Heard) -> None:
    loop = Loop(Script(*[_fail] * 10), heard.bus, chance=lambda: 1.0)
    pauses = [loop.turn() for _ in range(10)]
    assert pauses[:4] == [FIRST_BACKOFF, 2 * FIRST_BACKOFF, 4 * FIRST_BACKOFF, 8 * FIRST_BACKOFF]
    assert pauses[-1] == LONGEST_BACKOFF
    assert [fact.failures for fact in heard.of(ServiceFailed)] == list(range(1, 11))


def test_pauses_are_jittered_by_half(heard: Heard) -> None:
    least = Loop(Script(_fail), heard.bus, chance=lambda: 0.0).turn()
    most = Loop(Script(_fail), heard.bus, chance=lambda: 1.0).turn()
    assert (least, most) == (FIRST_BACKOFF / 2, FIRST_BACKOFF)


def test_recovery_is_told_once_and_the_next_trouble_starts_small(heard: Heard) -> None:
    loop = Loop(Script(_fail, _fail, _rest, _rest, _fail), heard.bus, chance=lambda: 1.0)
    assert [loop.turn() for _ in range(5)] == [0.25, 0.5, 5.0, 5.0, 0.25]
    assert [fact.failures for fact in heard.of(ServiceRecovered)] == [2]


def test_what_is_fatal_passes_through(heard: Heard) -> None:
    def break_down() -> Pause:
        raise AppLoadError("no")

    loop = Loop(Script(break_down), heard.bus, fatal=(AppLoadError,))
    with pytest.raises(AppLoadError):
        loop.turn()
    assert heard.facts == []


def test_a_wake_ends_a_wait_and_a_stop_ends_the_thread(heard: Heard) -> None:
    turns = threading.Semaphore(0)

    class Sleeper:
        name = "sleeper"

        def run_once(self) -> Pause:
            turns.release()
            return Pause(3600.0)

    loop = Loop(Sleeper(), heard.bus)
    loop.start()
    assert turns.acquire(timeout=PATIENCE)
    loop.wake()
    assert turns.acquire(timeout=PATIENCE)
    loop.stop()
    assert loop.join(PATIENCE)


def test_a_service_that_has_more_to_do_is_asked_again_at_once(heard: Heard) -> None:
    done = threading.Event()
    left = [3]

    class Busy:
        name = "busy"

        def run_once(self) -> Pause:
            left[0] -= 1
            if left[0]:
                return AT_ONCE
            done.set()
            return Pause(3600.0)

    loop = Loop(Busy(), heard.bus)
    loop.start()
    assert done.wait(PATIENCE)
    loop.stop()
    assert loop.join(PATIENCE)
