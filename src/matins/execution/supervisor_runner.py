"""Runs one order at a time: begins it, stops it when it must, and reports how it ended.

An end has one of three causes: the interpreter's result, the end of the process, or a kill. Whatever the cause, the
order of things is the same: what the run left is dead, its pipes are drained, and only then is the end reported.
"""

from __future__ import annotations

import json

from matins.execution import strays, system
from matins.execution.capture import Capture
from matins.execution.frames import FromInterpreter, ResultFlags, ToDaemon, ToInterpreter
from matins.execution.page import SharedPage
from matins.execution.supervisor_child import Child, spawn_command
from matins.execution.supervisor_intake import Intake
from matins.execution.supervisor_keeper import Keeper, read_error
from matins.execution.supervisor_link import Link
from matins.execution.supervisor_processes import Processes
from matins.execution.supervisor_run import NEVER, TIMEOUT, Order, Run, margin
from matins.execution.system import boottime

_REAP_EVERY = 1.0
"""How often orphans that ended are reaped during a run, so that a long one with many cannot use up the process table."""


class Runner:
    """The present run, and the processes it may use."""

    def __init__(
        self,
        *,
        link: Link,
        page: SharedPage,
        slot: int,
        keeper: Keeper,
        intake: Intake,
        processes: Processes,
        output: dict[str, int],
        stream_every: float,
    ) -> None:
        self._link = link
        self._page = page
        self._slot = slot
        self._keeper = keeper
        self._intake = intake
        self._processes = processes
        self._output = output
        self._stream_every = stream_every
        self._child: Child | None = None
        self._reap_at = 0.0
        self.closing = False
        self.run: Run | None = None

    # Beginning.

    def interpreter_for(self, order: Order, now: float) -> Child | None:
        """A ready interpreter for this order, or None while one is being started.

        Raises:
            Unloadable: there is none to be had for now.
        """
        return self._keeper.ready(now, fresh=order.fresh)

    def begin(self, order: Order, child: Child, now: float) -> None:
        """Hand an order to a ready interpreter."""
        self._note_begin(order, child, now)
        self._intake.tell(child, ToInterpreter.RUN, order.body)

    def begin_command(self, order: Order, now: float) -> None:
        """Start a shell job's command.

        Raises:
            OSError: it cannot be started; the order counts as begun all the same.
        """
        self._page.begin(self._slot, order.sequence)
        child = spawn_command(order.command or "", json.loads(order.body))
        if order.memory is not None:
            system.limit_memory(child.pid, order.memory)
        self._intake.listen(child)
        self._note_begin(order, child, now)

    def _note_begin(self, order: Order, child: Child, now: float) -> None:
        self._page.begin(self._slot, order.sequence)
        self.run = Run(order, Capture(**self._output), now, self._stream_every)
        self._child = child
        child.runs += 1
        self._link.begun(order.run_id, now)

    def refuse(self, order: Order, error: list[str], now: float) -> None:
        """Report an order as failed that could not even be begun."""
        self._page.begin(self._slot, order.sequence)
        self._link.ended([order.sequence, order.run_id, "failed", now, now, None, error, [], []], b"", now)

    # What the processes say.

    def capture_of(self, child: Child) -> Capture | None:
        """Where the child's output belongs now."""
        if self.run is not None and child is self._child:
            return self.run.capture
        return self._keeper.startup if child is self._keeper.child else None

    def heard(self, child: Child, kind: int, payload: bytes) -> None:
        """Act on what an interpreter said."""
        runs = self.run is not None and child is self._child
        if kind == FromInterpreter.RESULT and runs:
            self._end(payload)
        elif kind == FromInterpreter.PROGRESS and runs:
            self._progressed(payload)
        elif kind == FromInterpreter.READY and child is self._keeper.child:
            self._keeper.started()
        elif kind == FromInterpreter.UNLOADABLE and child is self._keeper.child:
            self._keeper.not_started(read_error(payload), boottime())

    def _progressed(self, payload: bytes) -> None:
        try:
            fraction, message = json.loads(payload)
        except ValueError:
            return
        if self.run is not None:
            self._link.tell(ToDaemon.PROGRESS, [self.run.order.run_id, fraction, message], boottime())

    def gone(self, child: Child) -> None:
        """Act on the end of a process."""
        if self.run is not None and child is self._child:
            self._end(None)
        elif child is self._keeper.child and child.ready:
            self._keeper.discard()
            self._link.tell(ToDaemon.FAULT, f"an idle interpreter ended: {_exit_text(child)}", boottime())
        elif child is self._keeper.child:
            text = f"the interpreter ended while importing the application: {_exit_text(child)}"
            self._keeper.not_started(["AppLoadError", text, ""], boottime())

    # Stopping.

    def ask(self, reason: str, now: float, within: float | None = None) -> None:
        """Ask the present run to stop and, unless it does within so many seconds, kill it.

        A result that has already arrived counts: it is looked for first.
        """
        run, child = self.run, self._child
        if run is None or child is None:
            return
        self._intake.hear(child)
        if self.run is run and run.ask(reason, now, run.order.kill_after if within is None else within):
            self._intake.tell(child, ToInterpreter.STOP)
            self._processes.ask(child, self._keeper.child)

    def tend(self, now: float) -> None:
        """Do what has come due."""
        if self.run is not None:
            self._tend_run(self.run, now)
        self._keeper.tend(now)

    def _tend_run(self, run: Run, now: float) -> None:
        if now >= run.stream_at and run.capture.fresh:
            run.stream_at = now + self._stream_every
            self._link.tell(ToDaemon.OUTPUT, [run.order.run_id, run.capture.take()], now)
        if now >= self._reap_at:
            self._reap_at = now + _REAP_EVERY
            self._processes.reap()
        if now >= self._lease_at(run):
            self._lease_over(run, now)
        if now < run.next_at or self.run is not run:
            return
        if now >= run.kill_at:
            self._end(None)
        elif now >= run.timeout_at:
            self.ask(TIMEOUT, now)
        else:
            run.warn(now)

    def _lease_at(self, run: Run) -> float:
        if run.reason is None or run.order.exempt:
            return self.lease_over_at(run.order)
        return self._page.deadline - margin(self._page.allowance)

    def _lease_over(self, run: Run, now: float) -> None:
        left = self._page.deadline - margin(self._page.allowance) - now
        if run.reason is None:
            self.ask("lease", now, max(0.0, left))
        else:
            self._end(None)

    def lease_over_at(self, order: Order) -> float:
        """From when on this order may not run for want of a lease: early enough to ask and to kill."""
        if order.exempt:
            return NEVER
        allowance = self._page.allowance
        return self._page.deadline - min(order.kill_after, allowance) - margin(allowance)

    def due_at(self) -> float:
        """When `tend` should be called next, if nothing else happens."""
        at = self._keeper.start_by
        run = self.run
        if run is not None:
            at = min(at, run.next_at, self._lease_at(run))
            if run.capture.fresh:
                at = min(at, run.stream_at)
        return at

    # Ending.

    def _end(self, result: bytes | None) -> None:
        run, child = self.run, self._child
        assert run is not None  # noqa: S101
        assert child is not None  # noqa: S101
        now = boottime()
        is_interpreter = child is self._keeper.child
        reusable = is_interpreter and result is not None and run.reason is None
        notes = self._clear(run, child, reusable=reusable, ended=result is not None or child.status is not None)
        self._intake.drain(child, run.capture)
        self.run = self._child = None
        self._link.ended(self._header(run, child, result, notes, now), result[1:] if result else b"", now)
        if not is_interpreter:
            self._intake.forget(child)
        elif notes or not reusable or (result and result[0] & ResultFlags.LEAKED):
            self._keeper.discard()
            self._start_ahead(now)
        elif run.order.fresh or self._keeper.worn(child, now - run.began_at):
            self._keeper.retire()
            self._start_ahead(now)

    def _clear(self, run: Run, child: Child, *, reusable: bool, ended: bool) -> list[str]:
        """Kill what must not outlive the run; what is worth telling of it."""
        interpreter = self._keeper.child
        notes = []
        left = self._processes.left_by(child, interpreter) if ended and run.reason is None else []
        if left:
            names = ", ".join(map(strays.name_of, left[:5]))
            noun = "process" if len(left) == 1 else "processes"
            notes.append(f"killed {len(left)} {noun} it left running: {names}")
        unkillable: list[int] = []
        if not reusable:
            unkillable = self._processes.kill(child, sparing=None if child is interpreter else interpreter)
        elif left:
            unkillable = self._processes.kill_left(interpreter)
        if run.asked_at is not None and child.killed and not ended:
            notes.append("it did not stop when asked, and was killed")
        if unkillable:
            notes.append(f"could not be killed: {', '.join(map(str, unkillable))}")
        return notes

    def _start_ahead(self, now: float) -> None:
        if not self.closing:
            self._keeper.start_ahead(now)

    def _header(self, run: Run, child: Child, result: bytes | None, notes: list[str], now: float) -> list[object]:
        order = run.order
        exit_text = None if result is not None else _exit_text(child)
        succeeded = order.command is not None and child.status == 0
        if result is not None:
            succeeded = bool(result[0] & ResultFlags.SUCCEEDED)
        if succeeded and run.reason is not None:
            notes = [*notes, "it had been asked to stop, and ended well all the same"]
        status, error = run.status(succeeded), run.fault(None if succeeded else exit_text)
        lines = run.capture.finish(now)
        return [order.sequence, order.run_id, status, run.began_at, now, exit_text, error, lines, notes]

    def retire(self) -> None:
        """Let the interpreter end in good order."""
        self._keeper.retire()

    def kill_everything(self) -> None:
        """Nothing below this process may live on."""
        child = self._child or self._keeper.child
        if child is not None:
            self._processes.kill(child)
        self._processes.kill_left(None)


def _exit_text(child: Child) -> str:
    if child.closed_channel or child.status is None:
        return "it closed its private channel"
    text = system.describe_exit(child.status)
    return f"{text} (out of memory?)" if text == "killed by SIGKILL" and not child.killed else text
