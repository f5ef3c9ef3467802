"""The local executor: slots of child processes on this machine.

It decides which slot takes an order, waits on all of them at once, and turns what they report into events. It
has no thread of its own; the promises about a run's processes are kept by the slots' supervisors
(`supervisor.py`), which hold even when this process is stopped or dead.
"""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import sys
import threading
from socket import socket

from matins.clock import Clock
from matins.domain.job import Job
from matins.domain.states import RunStatus
from matins.execution.durations import Durations
from matins.execution.launch import child_environment, start_supervisor
from matins.execution.limits import SlotLimits
from matins.execution.page import SharedPage
from matins.execution.port import Event, Returned, RunOrder, SlotFault
from matins.execution.slot import MARK, Slot

_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
_KILL_SHARE = 0.8
"""The share of a closing's grace after which jobs are killed; the rest is for the killing."""
_LEASE_SHARE = 0.25


class LocalExecutor:
    """Runs orders in child processes; satisfies `matins.execution.port.Executor`.

    Args:
        app_ref: the application as ``package.module:attribute``; None when there are only shell jobs.
        concurrency: how many runs may go on at once. clock: this machine's clocks. working_directory: where
        jobs start, and where the application is imported from; this process's own by default. pass_env: which
        of the variables that are withheld from jobs (`DATABASE_URL`, `JWT_SECRET`) they get all the same.
        start_timeout_seconds: how long importing the application may take. idle_seconds: how long an idle
        slot keeps its processes. recycle_after: after how many runs an interpreter is replaced. limits:
        bounds on output and growth.
    """

    def __init__(
        self,
        *,
        app_ref: str | None,
        concurrency: int,
        clock: Clock,
        working_directory: str | os.PathLike[str] | None = None,
        pass_env: tuple[str, ...] = (),
        start_timeout_seconds: float = 60.0,
        idle_seconds: float = 300.0,
        recycle_after: int = 10_000,
        limits: SlotLimits | None = None,
    ) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._directory = None if working_directory is None else os.fspath(working_directory)
        self._pass_env = tuple(pass_env)
        self._settings = _settings(app_ref, start_timeout_seconds, recycle_after, limits or SlotLimits())
        self._page = SharedPage.create(concurrency)
        durations = Durations()
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        nonce = secrets.token_hex(8)
        self._slots = [
            Slot(
                number=number,
                page=self._page,
                mark=f"{nonce}-{number}",
                launch=self._launch,
                durations=durations,
            )
            for number in range(concurrency)
        ]
        self._by_fd: dict[int, Slot] = {}
        self._waiting: list[Event] = []
        self._reload = threading.Event()
        self._closed = False
        self._ended = False
        self._gate = threading.Lock()
        """Keeps other threads from using what `close` lets go of."""

    def _launch(self, link: socket, number: int) -> subprocess.Popen[bytes]:
        return start_supervisor(
            link=link,
            page_fd=self._page.fd,
            slot=number,
            settings=self._settings,
            directory=self._directory,
            environment=child_environment(self._pass_env, {MARK: self._slots[number].mark}),
        )

    # Handing out.

    def capacity(self, job: Job | None = None) -> int:
        """How many more orders may be submitted: idle slots, also busy ones for a repeatable job."""
        usable = self._usable()
        if job is None or not job.repeatable:
            return sum(not slot.held for slot in usable)
        return sum(slot.room(job) for slot in usable)

    def _usable(self) -> list[Slot]:
        if (
            self._closed or self._reload.is_set()
        ):  # The next poll retires what runs old code; capacity is asked by others too.
            return []
        now = self._clock.monotonic()
        return [slot for slot in self._slots if slot.not_before <= now and not (slot.leaving or slot.stale)]

    def submit(self, order: RunOrder) -> None:
        """Hand an order to a slot; one there is no room for is returned by the next `poll`."""
        slot = self._slot_for(order.job)
        if slot is None:
            self._waiting.append(Returned(run_id=order.run_id, reason="no slot is free"))
            return
        if not slot.is_open and not self._open(slot, order):
            return
        first = not slot.held
        slot.hand(order)
        if first:
            self._push(slot)

    def _slot_for(self, job: Job) -> Slot | None:
        usable = self._usable()
        idle = [slot for slot in usable if not slot.held]
        if idle:
            # The one used last: its processes are warm, and the others may be closed.
            return max(idle, key=lambda slot: (slot.is_open, slot.idle_since))
        if not job.repeatable:
            return None
        roomy = [slot for slot in usable if slot.room(job)]
        return min(roomy, key=lambda slot: slot.work, default=None)

    def _open(self, slot: Slot, order: RunOrder) -> bool:
        try:
            slot.open()
        except OSError as fault:
            self._back_off(slot)
            self._waiting.append(SlotFault(slot=slot.number, message=f"no supervisor can be started: {fault}"))
            self._waiting.append(Returned(run_id=order.run_id, reason="no supervisor can be started"))
            return False
        self._epoll.register(slot.fileno(), select.EPOLLIN)
        self._by_fd[slot.fileno()] = slot
        return True

    def _push(self, slot: Slot) -> None:
        if not slot.is_open:
            return
        wants = not slot.push()
        if wants != slot.wants_to_write:
            slot.wants_to_write = wants
            self._epoll.modify(slot.fileno(), select.EPOLLIN | select.EPOLLOUT if wants else select.EPOLLIN)

    def stop(self, run_id: int, reason: str) -> None:
        """Ask a run to stop; it is killed when it does not within its job's `kill_after_seconds`."""
        for slot in self._slots:
            if slot.holds(run_id):
                slot.stop(run_id, reason)
                self._push(slot)

    def renew(self, deadline: float) -> None:
        """The lease now holds until this boot-time reading; slots kill their runs before it passes."""
        left = max(0.0, deadline - self._clock.boottime())
        with self._gate:
            if not self._ended:
                self._page.renew(deadline, left * _LEASE_SHARE)

    # Listening.

    def poll(self, timeout_seconds: float | None) -> list[Event]:
        """What happened since the last call, waiting at most so long for something, or for `wake`."""
        self._retire_old_code()
        for slot in self._slots:
            if slot.unsent:
                self._push(slot)
        events, self._waiting = self._waiting, []
        if events:
            timeout_seconds = 0
        events += self._listen(self._patience(timeout_seconds))
        self._close_idle()
        return events

    def wake(self) -> None:
        """Make a waiting `poll` return at once."""
        with self._gate:
            if not self._ended:
                os.eventfd_write(self._wake_fd, 1)

    def _patience(self, timeout_seconds: float | None) -> float | None:
        now = self._clock.monotonic()
        idle = [slot for slot in self._slots if slot.is_open and not slot.held and not slot.leaving]
        times = [slot.idle_since + self._idle_seconds for slot in idle]
        times += [slot.not_before for slot in self._slots if slot.not_before > now]
        waits = [max(0.0, at - now) for at in times]
        if timeout_seconds is not None:
            waits.append(timeout_seconds)
        return min(waits, default=None)

    def _listen(self, timeout_seconds: float | None) -> list[Event]:
        events: list[Event] = []
        for fd, _ in self._epoll.poll(timeout_seconds):
            if fd == self._wake_fd:
                os.eventfd_read(fd)
                continue
            events += self._hear(self._by_fd[fd])
        return events

    def _hear(self, slot: Slot) -> list[Event]:
        events, there = slot.receive()
        if not there:
            events += self._bury(slot, RunStatus.LOST)
        elif slot.unsent:
            self._push(slot)
        if not slot.held:
            slot.idle_since = self._clock.monotonic()
        return events

    def _bury(self, slot: Slot, begun_as: RunStatus) -> list[Event]:
        self._epoll.unregister(slot.fileno())
        del self._by_fd[slot.fileno()]
        slot.wants_to_write = False
        deaths = slot.deaths
        events = slot.bury(self._clock.boottime(), begun_as)
        if slot.deaths > deaths:
            self._back_off(slot)
        return events

    def _back_off(self, slot: Slot) -> None:
        pause = min(_LONGEST_PAUSE, _PAUSE * 2.0 ** min(slot.deaths, 20))
        slot.not_before = self._clock.monotonic() + pause

    def _close_idle(self) -> None:
        now = self._clock.monotonic()
        for slot in self._slots:
            if slot.is_open and not slot.held and not slot.leaving and now >= slot.idle_since + self._idle_seconds:
                slot.finish(0)
                self._push(slot)

    def reload(self) -> None:
        """Run nothing more with the code loaded so far: each slot is reopened once it has ended what it holds."""
        self._reload.set()
        self.wake()

    def _retire_old_code(self) -> None:
        if self._reload.is_set():
            self._reload.clear()
            for slot in self._slots:
                slot.stale = slot.is_open
        for slot in self._slots:
            if slot.stale and slot.is_open and not slot.held and not slot.leaving:
                slot.finish(0)
                self._push(slot)

    # Ending.

    def close(self, grace_seconds: float) -> list[Event]:
        """Stop everything within the grace and end all processes.

        What was begun ends as interrupted unless it ends by itself; the rest is returned.
        """
        if self._ended:
            return []
        self._closed = True
        until = self._clock.monotonic() + grace_seconds
        for slot in self._slots:
            if slot.is_open:
                slot.finish(grace_seconds * _KILL_SHARE)
                self._push(slot)
        events, self._waiting = self._waiting, []
        while self._by_fd and (left := until - self._clock.monotonic()) > 0:
            events += self._listen(left)
        for slot in list(self._by_fd.values()):
            slot.kill()
            events += self._bury(slot, RunStatus.INTERRUPTED)
        self._let_go()
        return events

    def _let_go(self) -> None:
        with self._gate:
            self._ended = True
            self._page.close()
            os.close(self._wake_fd)
        self._epoll.close()


def _settings(app_ref: str | None, start_seconds: float, recycle_after: int, limits: SlotLimits) -> dict[str, object]:
    return {
        "interpreter": {
            "app_ref": app_ref or "",
            "executable": sys.executable,
            "start_seconds": start_seconds,
            "recycle_after": recycle_after,
            "max_growth": limits.interpreter_growth_bytes,
        },
        "output": {
            "max_lines": limits.output_lines,
            "max_bytes": limits.output_bytes,
            "max_line_bytes": limits.line_bytes,
        },
        "stream_every": limits.stream_seconds,
    }
