"""The one shape of a service, and the only place that waits, catches, backs off and stops.

A service is `run_once() -> Pause`: it does what there is to do now and answers how long until it should be asked again,
zero when there is more. It never waits by itself. Trouble it raises is told, waited out with growing, jittered pauses,
and told again when it is over; it never ends the service.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import NewType, Protocol

from matins.telemetry.events import EventBus, ServiceFailed, ServiceRecovered

Pause = NewType("Pause", float)
"""Seconds until a service should be asked again."""

AT_ONCE = Pause(0.0)
FIRST_BACKOFF = 0.25
LONGEST_BACKOFF = 15.0


class Service(Protocol):
    """Something a daemon does again and again."""

    name: str

    def run_once(self) -> Pause:
        """Do what there is to do now."""
        ...


class Waiter(Protocol):
    """How a service's thread waits: on an event, or on whatever else may bring it work."""

    def wait(self, seconds: float) -> None:
        """Return when woken or after so long."""
        ...

    def wake(self) -> None:
        """End a wait, the present or the next one; from any thread."""
        ...


class EventWaiter:
    """Waits for a wake and nothing else."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)
        self._event.clear()

    def wake(self) -> None:
        self._event.set()


class Loop:
    """A service on a thread of its own."""

    def __init__(
        self,
        service: Service,
        bus: EventBus,
        *,
        waiter: Waiter | None = None,
        longest_backoff: float = LONGEST_BACKOFF,
        fatal: tuple[type[Exception], ...] = (),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.service = service
        self._bus = bus
        self._waiter = waiter or EventWaiter()
        self._longest_backoff = longest_backoff
        self._fatal = fatal
        self._chance = chance
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"matins-{service.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Ask the service at once."""
        self._waiter.wake()

    def stop(self) -> None:
        """Ask the service no more; the turn under way ends by itself."""
        self._stopping.set()
        self._waiter.wake()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread to end; False if it has not in that time."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def failures(self) -> int:
        """How many turns in a row met trouble."""
        return self._failures

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self.turn()
            if pause > 0 and not self._stopping.is_set():
                self._waiter.wait(pause)

    def turn(self) -> Pause:
        """One turn of the service, trouble caught unless it is fatal; answers how long to wait before the next."""
        try:
            pause = self.service.run_once()
        except self._fatal:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary at which a service's trouble becomes a pause
            return self._back_off(error)
        if self._failures:
            self._bus.emit(ServiceRecovered(service=self.service.name, failures=self._failures))
            self._failures = 0
        return pause

    def _back_off(self, error: Exception) -> Pause:
        self._failures += 1
        ceiling: float = min(FIRST_BACKOFF * 2 ** min(self._failures - 1, 16), self._longest_backoff)
        pause = ceiling * (0.5 + self._chance() / 2)
        self._bus.emit(
            ServiceFailed(
                service=self.service.name,
                error=f"{type(error).__name__}: {error}",
                failures=self._failures,
                retry_seconds=round(pause, 3),
            )
        )
        return Pause(pause)
