"""The supervisor of one slot: a small process between the daemon and the process that runs the user's code.

It holds no user code and no database connection. It answers for the promises about processes: one run at a
time, real kills at every deadline, nothing left behind by a run, and everything dead the moment its line to
the daemon ends. This module holds the queue and the loop; `supervisor_runner` runs what is taken from the
queue.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections import deque

from matins.execution import system
from matins.execution.frames import ToDaemon, ToSupervisor
from matins.execution.page import SharedPage
from matins.execution.supervisor_intake import Intake
from matins.execution.supervisor_keeper import Keeper, Unloadable
from matins.execution.supervisor_link import Link
from matins.execution.supervisor_processes import Processes
from matins.execution.supervisor_run import NEVER, Order
from matins.execution.supervisor_runner import Runner
from matins.execution.supervisor_watch import Watcher
from matins.execution.system import boottime

_LOOK_EVERY = 1.0
"""While a run is on: how late a deadline may be noticed after a suspension, when waits stand still."""
_RETURN_AFTER = 0.5
"""How long orders wait behind a run that was expected to be short."""


class Supervisor:
    """One slot's queue and loop."""

    def __init__(self, *, link: Link, runner: Runner, watcher: Watcher) -> None:
        self._link = link
        self._runner = runner
        self._watcher = watcher
        self._queue: deque[Order] = deque()
        self._closing = False
        watcher.add(link.fd, lambda _: self._on_daemon())

    def serve(self) -> None:
        """Run orders until the daemon closes the slot or is gone."""
        while not self._link.lost:
            self._watcher.wait(self._patience(boottime()))
            self._turn(boottime())
            if self._closing and self._runner.run is None and not self._link.waiting:
                self._runner.retire()
                return

    def _patience(self, now: float) -> float:
        """How long to wait for something to happen; without end when nothing is on."""
        at = min(self._runner.due_at(), self._link.flush_at)
        if self._runner.run is not None:
            at = min(at, now + _LOOK_EVERY)
            if self._queue:
                at = min(at, self._runner.run.began_at + _RETURN_AFTER)
        if at == NEVER:
            return -1
        return max(0.0, at - now)

    def _turn(self, now: float) -> None:
        self._runner.tend(now)
        if self._runner.run is None:
            self._begin_next(now)
        elif self._queue and now >= self._runner.run.began_at + _RETURN_AFTER:
            self._return_all("the run before took longer than expected", now)
        idle = self._runner.run is None
        if now >= self._link.flush_at or (idle and self._link.waiting):
            self._watcher.want_to_write(self._link.fd, not self._link.flush())

    # The queue.

    def _begin_next(self, now: float) -> None:
        while self._queue and self._runner.run is None and not self._link.full:
            order = self._queue[0]
            if now >= self._runner.lease_over_at(order):
                self._return_all("lease", now)
                return
            if not self._begin(order, now):
                return
            self._queue.popleft()

    def _begin(self, order: Order, now: float) -> bool:
        """Begin an order, or report why it cannot be; False while it has to wait for an interpreter."""
        try:
            if order.command is not None:
                self._runner.begin_command(order, now)
                return True
            child = self._runner.interpreter_for(order, now)
        except Unloadable as fault:
            self._runner.refuse(order, fault.error, now)
            return True
        except (OSError, ValueError, LookupError) as fault:
            self._runner.refuse(order, [type(fault).__name__, str(fault), ""], now)
            return True
        if child is None:
            return False
        self._runner.begin(order, child, now)
        return True

    def _return_all(self, reason: str, now: float) -> None:
        while self._queue:
            self._return(self._queue.popleft(), reason, now)

    def _return(self, order: Order, reason: str, now: float) -> None:
        self._link.tell(ToDaemon.RETURNED, [order.sequence, order.run_id, reason], now)

    # The daemon's words.

    def _on_daemon(self) -> None:
        if self._link.waiting:
            self._watcher.want_to_write(self._link.fd, not self._link.flush())
        now = boottime()
        for kind, payload in self._link.receive():
            if kind == ToSupervisor.ORDER:
                self._queue.append(Order(payload))
            elif kind == ToSupervisor.STOP:
                run_id, reason = json.loads(payload)
                self._stop(run_id, reason, now)
            elif kind == ToSupervisor.CLOSE:
                self._close(json.loads(payload), now)

    def _stop(self, run_id: int, reason: str, now: float) -> None:
        run = self._runner.run
        if run is not None and run.order.run_id == run_id:
            self._runner.ask(reason, now)
            return
        for order in [order for order in self._queue if order.run_id == run_id]:
            self._queue.remove(order)
            self._return(order, reason, now)

    def _close(self, grace: float, now: float) -> None:
        self._closing = self._runner.closing = True
        self._return_all("shutdown", now)
        run = self._runner.run
        if run is not None:
            self._runner.ask("shutdown", now, min(run.order.kill_after, grace))


def main() -> None:
    """Supervise one slot; the arguments: descriptors of socket and page, the slot, the settings in JSON."""
    link_fd, page_fd, slot, settings = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        json.loads(sys.argv[4]),
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The daemon alone decides, by its line. A handler, since an ignored signal would stay ignored in the
        # children.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for fd in (link_fd, page_fd):
        os.set_inheritable(fd, False)
    system.adopt_orphans()
    link, watcher = Link(link_fd), Watcher()
    processes = Processes()
    intake = Intake(watcher=watcher, processes=processes)
    keeper = Keeper(link=link, intake=intake, processes=processes, **settings["interpreter"])
    runner = Runner(
        link=link,
        page=SharedPage.opened(page_fd),
        slot=slot,
        keeper=keeper,
        intake=intake,
        processes=processes,
        output=settings["output"],
        stream_every=settings["stream_every"],
    )
    intake.hearer = runner
    try:
        Supervisor(link=link, runner=runner, watcher=watcher).serve()
    except Exception:  # noqa: BLE001 - the process's boundary: whatever went wrong, nothing below may live on
        link.tell(ToDaemon.FAULT, traceback.format_exc(), boottime())
        link.flush()
        runner.kill_everything()
        sys.exit(1)
    runner.kill_everything()
