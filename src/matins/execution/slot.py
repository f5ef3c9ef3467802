"""A slot as the daemon sees it: its supervisor's process and socket, and the orders handed to it.

A slot is opened by its first order and can be closed and opened again. Every order it was handed is answered
once, also when its supervisor dies: the shared page tells which had begun.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matins.domain.job import Job
from matins.domain.states import Isolation, OnDoubt, RunStatus
from matins.execution import strays
from matins.execution.durations import Durations
from matins.execution.frames import DamagedChannel, FrameReader, ToDaemon, ToSupervisor, pack
from matins.execution.page import SharedPage
from matins.execution.port import Ended, Event, Returned, RunError, RunOrder, SlotFault
from matins.execution.reports import read_event
from matins.execution.system import describe_exit

_READ = 1024 * 1024
_EXIT_WITHIN = 2.0
"""How long a supervisor whose line has ended may take to exit: its line ends last, so it is nearly gone."""
MARK = "MATINS_SLOT"
"""The environment variable by which the offspring of a slot is known."""

Launcher = Callable[[socket.socket, int], "subprocess.Popen[bytes]"]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"{value!r} cannot be handed to a job"
    raise TypeError(message)


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


@dataclass(slots=True)
class _Held:
    """An order a slot was handed and has not answered."""

    sequence: int
    order: RunOrder
    expected: float


class Slot:
    """One place where one run at a time goes on."""

    def __init__(self, *, number: int, page: SharedPage, mark: str, launch: Launcher, durations: Durations) -> None:
        self.number = number
        self.mark = mark
        self._page = page
        self._launch = launch
        self._durations = durations
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._held: dict[int, _Held] = {}
        self._sequence = page.begun(number)
        self.work = 0.0
        """Seconds of work its orders are expected to be."""
        self.idle_since = 0.0
        self.wants_to_write = False
        self.leaving = False
        """Whether its supervisor was asked to exit."""
        self.stale = False
        """Whether its interpreter has code that is to be replaced: it takes no more orders until it was closed."""
        self.not_before = 0.0
        """Until when it is not to be opened again, after its supervisor died."""
        self.deaths = 0

    @property
    def is_open(self) -> bool:
        """Whether it has a supervisor."""
        return self._link is not None

    @property
    def held(self) -> int:
        """How many orders it has not answered."""
        return len(self._held)

    @property
    def unsent(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def fileno(self) -> int:
        """The descriptor to wait on while the slot is open."""
        return -1 if self._link is None else self._link.fileno()

    def holds(self, run_id: int) -> bool:
        """Whether this run was handed to it and is unanswered."""
        return run_id in self._held

    def open(self) -> None:
        """Start a supervisor.

        Raises:
            OSError: there can be none now.
        """
        ours, theirs = socket.socketpair()
        try:
            self._process = self._launch(theirs, self.number)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._link = ours
        self._reader = FrameReader()
        self._unsent.clear()

    def room(self, job: Job) -> int:
        """How many orders of a repeatable job it may be handed now."""
        if job.isolation is Isolation.FRESH:
            return 0 if self._held else 1  # Its run is short, but the start of its interpreter is not.
        return self._durations.room(job.name, held=len(self._held), work=self.work)

    def hand(self, order: RunOrder) -> None:
        """Queue an order for sending."""
        self._sequence += 1
        expected = self._durations.expected(order.job.name)
        self._held[order.run_id] = _Held(self._sequence, order, expected)
        self.work += expected
        self._unsent += pack(ToSupervisor.ORDER, _order_payload(self._sequence, order))

    def stop(self, run_id: int, reason: str) -> None:
        """Ask for a run to be stopped, or given back if it has not begun."""
        self._unsent += pack(ToSupervisor.STOP, _encode([run_id, reason]).encode())

    def finish(self, grace_seconds: float) -> None:
        """Ask the supervisor to stop what is on and to exit."""
        self.leaving = True
        self._unsent += pack(ToSupervisor.CLOSE, _encode(grace_seconds).encode())

    def push(self) -> bool:
        """Send what is unsent, as far as it goes now; False when some remains."""
        while self._unsent and self._link is not None:
            try:
                del self._unsent[: self._link.send(self._unsent)]
            except BlockingIOError:
                return False
            except OSError:
                self._unsent.clear()  # The end of the supervisor is noticed in reading.
        return True

    def receive(self) -> tuple[list[Event], bool]:
        """What the supervisor reported, and whether it is still there."""
        if self._link is None:
            return [], False
        try:
            data = self._link.recv(_READ)
        except BlockingIOError:
            return [], True
        except OSError:
            data = b""
        try:
            frames = self._reader.feed(data)
            return [event for kind, payload in frames if (event := self._read(kind, payload)) is not None], bool(data)
        except (DamagedChannel, ValueError, LookupError):
            return [], False

    def _read(self, kind: int, payload: bytes) -> Event | None:
        event = read_event(kind, payload, self.number)
        if kind in (ToDaemon.ENDED, ToDaemon.RETURNED) and isinstance(event, (Ended, Returned)):
            held = self._held.pop(event.run_id, None)
            if held is None:
                return None
            if isinstance(event, Ended):
                self.deaths = 0
                self._durations.observe(held.order.job.name, event.ended_at - event.began_at)
            self.work = max(0.0, self.work - held.expected) if self._held else 0.0
        return event

    def bury(self, now: float, begun_as: RunStatus = RunStatus.LOST) -> list[Event]:
        """Clear up after a supervisor that is gone: nothing of it lives on, and every order is answered.

        Args:
            now: the boot-time clock.
            begun_as: what became of a run that had begun and not ended.
        """
        process = self._process
        if process is None:
            return []
        try:
            status = process.wait(_EXIT_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status != 0:
            # Once more while anything is found: what is killed may have been forking.
            while strays.kill_marked(MARK, self.mark):
                continue
        self._close_link()
        return self._answers(status, now, begun_as)

    def _answers(self, status: int, now: float, begun_as: RunStatus) -> list[Event]:
        text = describe_exit(-status if status < 0 else status << 8)
        begun = self._page.begun(self.number)
        events: list[Event] = []
        if status != 0 or self._held:
            self.deaths += 1
            events.append(SlotFault(slot=self.number, message=f"the slot's supervisor ended: {text}"))
        for run_id, held in self._held.items():
            if held.sequence > begun:
                events.append(Returned(run_id=run_id, reason="the slot's supervisor ended"))
                continue
            error = RunError(type="SupervisorLost", message=f"the run's supervisor ended: {text}")
            events.append(Ended(run_id=run_id, status=begun_as, began_at=now, ended_at=now, error=error, exit=text))
        self._held.clear()
        self.work = 0.0
        return events

    def _close_link(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = self._process = None
        self.leaving = self.stale = False
        self._unsent.clear()

    def kill(self) -> None:
        """Kill the supervisor; `bury` follows."""
        if self._process is not None:
            self._process.kill()


def _order_payload(sequence: int, order: RunOrder) -> bytes:
    job = order.job
    head = [
        sequence,
        order.run_id,
        order.timeout_seconds,
        job.soft_timeout_seconds,
        job.kill_after_seconds,
        job.on_doubt is OnDoubt.CONTINUE,
        job.isolation is Isolation.FRESH,
        job.memory_limit_bytes,
        job.command,
        job.name,
    ]
    body: object
    if job.command is None:
        body = [
            job.name,
            order.context,
            order.timeout_seconds,
            job.soft_timeout_seconds,
            job.memory_limit_bytes,
        ]
    else:
        body = command_environment(order)
    return f"{_encode(head)}\n{_encode(body)}".encode()


def command_environment(order: RunOrder) -> dict[str, str]:
    """What a shell job knows of its run."""
    context: dict[str, Any] = order.context
    words = {
        "MATINS_SCHEDULE": context.get("schedule_id"),
        "MATINS_OCCURRENCE": context.get("occurrence_id"),
        "MATINS_RUN_ID": order.run_id,
        "MATINS_JOB": order.job.name,
        "MATINS_KIND": context.get("kind"),
        "MATINS_FIRE_AT": context.get("fire_at"),
        "MATINS_ATTEMPT": context.get("attempt"),
        "MATINS_FENCE": context.get("fence"),
        "MATINS_LAST_SUCCESS_AT": context.get("last_success_at"),
    }
    said = {name: _word(value) for name, value in words.items() if value is not None}
    return {**said, "MATINS_ARGS": _encode(context.get("args") or {})}


def _word(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
