"""Submits orders to a real local executor and waits for what comes of them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from matins.clock import SystemClock
from matins.domain.job import Job
from matins.domain.states import OnLost
from matins.execution.local import LocalExecutor
from matins.execution.port import Begun, Ended, Event, LogLine, Output, Progress, Returned, RunOrder, SlotFault
from matins.execution.strays import alive, descendants_of

APPS = Path(__file__).parent / "apps"
FIRE_AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
PATIENCE = 15.0
_E = TypeVar("_E", bound=Event)


class Bench:
    """An executor, and everything it has said."""

    def __init__(self, *, app: str | None = "misbehaving:app", slots: int = 1, **options: Any) -> None:
        self.clock = SystemClock()
        self.executor = LocalExecutor(
            app_ref=app, concurrency=slots, clock=self.clock, working_directory=APPS, **options
        )
        self.events: list[Event] = []
        self.unanswered: set[int] = set()
        self._marks = [slot.mark for slot in self.executor._slots]
        self._next_id = 1
        self._closed = False

    # Orders.

    def submit(self, name: str, *, args: dict[str, Any] | None = None, timeout: float = 30.0, **options: Any) -> int:
        """Hand out a run of a job; its id."""
        run_id, self._next_id = self._next_id, self._next_id + 1
        job = Job(name=name, **{"kill_after_seconds": 0.5, **options})
        context = {
            "schedule_id": "feed-refresh",
            "occurrence_id": 7,
            "run_id": run_id,
            "job": name,
            "fire_at": FIRE_AT,
            "kind": "catch_up",
            "is_catch_up": True,
            "attempt": 2,
            "fence": run_id,
            "args": args or {},
            "last_success_at": FIRE_AT.isoformat(),
        }
        self.unanswered.add(run_id)
        order = RunOrder(run_id=run_id, claim_token="token", job=job, context=context, timeout_seconds=timeout)
        self.executor.submit(order)
        return run_id

    def run(self, name: str, **options: Any) -> Ended:
        """Run a job to its end."""
        return self.end_of(self.submit(name, **options))

    def start(self, name: str, **options: Any) -> int:
        """Run a job until it reports progress; its id."""
        run_id = self.submit(name, **options)
        self.first(Progress, run_id)
        return run_id

    def make_short(self, name: str, **options: Any) -> int:
        """Run a repeatable job until it is known to be short; how many more of it may be submitted now."""
        job = Job(name=name, on_lost=OnLost.RETRY)
        for _ in range(100):  # On a busy machine it takes a few.
            self.run(name, on_lost=OnLost.RETRY, **options)
            if (room := self.executor.capacity(job)) > 4:
                return room
        raise AssertionError(f"{name} is not short")

    # Waiting.

    def first(self, kind: type[_E], run_id: int, within: float = PATIENCE) -> _E:
        """The first event of a kind about a run, past or to come."""
        found = self.wait_for(lambda event: isinstance(event, kind) and _about(event) == run_id, within)
        assert isinstance(found, kind)
        return found

    def end_of(self, run_id: int, within: float = PATIENCE) -> Ended:
        """A run's end, past or to come."""
        return self.first(Ended, run_id, within)

    def wait_for(self, wanted: Callable[[Event], bool], within: float = PATIENCE) -> Event:
        """The first event that is wanted, past or to come."""
        until = self.clock.monotonic() + within
        seen = 0
        while True:
            for event in self.events[seen:]:
                if wanted(event):
                    return event
            seen = len(self.events)
            left = until - self.clock.monotonic()
            assert left > 0, f"waited {within} s; {self.events}"
            self.listen(left)

    def listen(self, seconds: float) -> None:
        """One turn of polling."""
        self._note(self.executor.poll(seconds))

    def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Poll until something is so."""
        until = self.clock.monotonic() + within
        while not condition():
            assert self.clock.monotonic() < until, f"waited {within} s"
            self.listen(0.01)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, (Ended, Returned)):
                assert event.run_id in self.unanswered, f"answered twice: {event}"
                self.unanswered.remove(event.run_id)

    def close(self, grace: float = 5.0) -> None:
        """End the executor."""
        if not self._closed:
            self._closed = True
            self._note(self.executor.close(grace))

    @contextmanager
    def frozen(self, slot: int = 0) -> Iterator[None]:
        """Hold a slot's supervisor still meanwhile."""
        supervisor = self.supervisor(slot)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGCONT)

    # Looking.

    def lines(self, run_id: int) -> list[LogLine]:
        """Everything captured of a run."""
        found: list[LogLine] = []
        for event in self.events:
            if isinstance(event, (Output, Ended)) and event.run_id == run_id:
                found += event.lines
        return found

    def texts(self, run_id: int) -> list[str]:
        """The text of everything captured of a run."""
        return [line.text for line in self.lines(run_id)]

    @property
    def faults(self) -> list[str]:
        """What was said of slots in trouble."""
        return [event.message for event in self.events if isinstance(event, SlotFault)]

    def supervisor(self, slot: int = 0) -> int:
        """The process id of a slot's supervisor."""
        process = self.executor._slots[slot]._process
        assert process is not None
        return process.pid

    def interpreter(self, slot: int = 0) -> int:
        """The process id of a slot's interpreter."""
        return descendants_of(self.supervisor(slot))[0]

    def below(self, slot: int = 0) -> list[int]:
        """The living processes below a slot's supervisor."""
        return descendants_of(self.supervisor(slot))

    def returned(self) -> list[int]:
        """The runs that were given back."""
        return [event.run_id for event in self.events if isinstance(event, Returned)]

    def marked_processes(self) -> list[int]:
        """The living processes that were started below this executor."""
        marks = {f"MATINS_SLOT={mark}".encode() for mark in self._marks}
        return [pid for pid in _processes() if marks & set(_environment(pid))]


def _about(event: Event) -> int | None:
    return event.run_id if isinstance(event, (Begun, Progress, Output, Ended, Returned)) else None


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def processes_below(pid: int) -> set[int]:
    """The living descendants of a process."""
    return set(descendants_of(pid))


def open_descriptors() -> set[str]:
    """What this process has open."""
    return set(os.listdir("/proc/self/fd"))


def wait_until_dead(pid: int, within: float) -> bool:
    """Whether a process is dead within so many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        select.select([descriptor], [], [], within)
        return not alive(pid)
    finally:
        os.close(descriptor)
