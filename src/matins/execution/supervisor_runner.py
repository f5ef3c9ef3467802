"""Runs one order at a time: begins it, takes what it prints, stops it, and reports how it ended.

An end has one of three causes: the interpreter's result, the end of the process, or a kill. Whatever the
cause, the order of things is the same: what the run left is dead, its pipes are drained, and only then is the
end reported.
"""

from __future__ import annotations

import json

from matins.execution import strays, system
from matins.execution.capture import Capture, Source
from matins.execution.frames import DamagedChannel, FromInterpreter, ResultFlags, ToDaemon, ToInterpreter
from matins.execution.page import SharedPage
from matins.execution.supervisor_child import Child, read_now, spawn_command
from matins.execution.supervisor_keeper import Keeper, read_error
from matins.execution.supervisor_link import Link
from matins.execution.supervisor_processes import Processes
from matins.execution.supervisor_run import NEVER, TIMEOUT, Order, Run, margin
from matins.execution.supervisor_watch import Watcher
from matins.execution.system import boottime

_DRAIN_AT_MOST = 4 * 1024 * 1024
_EXIT_WITHIN = 0.25
"""How long a process whose channel has ended may take to die, before it counts as having closed it."""
_LEAVE_WITHIN = 1.0
_REAP_EVERY = 1.0
"""How often orphans that ended are reaped during a run, so that a long one with many cannot use up the process table."""
_WRITTEN = {FromInterpreter.STDOUT: Source("stdout"), FromInterpreter.STDERR: Source("stderr")}
_PIPED_OUT, _PIPED_ERR = Source("stdout"), Source("stderr")


class Runner:
    """The present run, and the processes it may use."""

    def __init__(
        self,
        *,
        link: Link,
        page: SharedPage,
        slot: int,
        keeper: Keeper,
        watcher: Watcher,
        output: dict[str, int],
        stream_every: float,
    ) -> None:
        self._link = link
        self._page = page
        self._slot = slot
        self._keeper = keeper
        self._watcher = watcher
        self._output = output
        self._stream_every = stream_every
        self._processes = Processes()
        self._child: Child | None = None
        self._levels: dict[bytes, Source] = {}
        self._reap_at = 0.0
        self.closing = False
        self.run: Run | None = None

    # Beginning.

    def interpreter_for(self, order: Order, now: float) -> Child | None:
        """A ready interpreter for this order, or None while one is being started.

        Raises:
            Unloadable: there is none to be had for now.
        """
        child = self._keeper.child
        if child is not None and order.fresh and child.runs:
            self.retire()
            child = None
        if child is None:
            self._keeper.check(now)
            return None if self._start(now) else self.interpreter_for(order, now)
        return child if child.ready else None

    def _start(self, now: float) -> bool:
        try:
            child = self._keeper.start(now)
        except OSError as fault:
            self._keeper.failed([type(fault).__name__, f"no interpreter can be started: {fault}", ""], now)
            self._link.tell(ToDaemon.FAULT, f"no interpreter can be started: {fault}", now)
            return False
        self._watch(child)
        return True

    def begin(self, order: Order, child: Child, now: float) -> None:
        """Hand an order to a ready interpreter."""
        self._note_begin(order, child, now)
        child.send(ToInterpreter.RUN, order.body)
        if child.unsent and child.channel is not None:
            self._watcher.want_to_write(child.channel, True)

    def begin_command(self, order: Order, now: float) -> None:
        """Start a shell job's command.

        Raises:
            OSError: it cannot be started; the order counts as begun all the same.
        """
        self._page.begin(self._slot, order.sequence)
        assert order.command is not None  # noqa: S101
        child = spawn_command(order.command, json.loads(order.body))
        if order.memory is not None:
            system.limit_memory(child.pid, order.memory)
        self._watch(child)
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

    def _watch(self, child: Child) -> None:
        self._processes.add(child)
        self._watcher.add(child.out, lambda _: self._on_pipe(child, _PIPED_OUT))
        self._watcher.add(child.err, lambda _: self._on_pipe(child, _PIPED_ERR))
        if child.channel is not None:
            self._watcher.add(child.channel, lambda _: self._on_channel(child))
        self._watcher.add(child.pidfd, lambda _: self._on_exit(child))

    def _on_pipe(self, child: Child, source: Source) -> None:
        fd = child.out if source is _PIPED_OUT else child.err
        data = read_now(fd)
        if data is None:
            return
        if not data:
            self._watcher.remove(fd)
        self._captured(child, source, data)

    def _captured(self, child: Child, source: Source, data: bytes) -> None:
        if self.run is not None and child is self._child:
            self.run.capture.write(source, data, boottime())
        elif child is self._keeper.child and self._keeper.startup is not None:
            self._keeper.startup.write(source, data, boottime())

    def _on_channel(self, child: Child) -> None:
        if child.unsent and child.channel is not None:
            child.push()
            self._watcher.want_to_write(child.channel, bool(child.unsent))
        try:
            frames = child.receive()
        except DamagedChannel:
            frames = None
        if frames is None:
            self._gone(child)
            return
        for kind, payload in frames:
            self._heard(child, kind, payload)

    def _heard(self, child: Child, kind: int, payload: bytes) -> None:
        if kind == FromInterpreter.RESULT:
            if self.run is not None and child is self._child:
                self._end(payload)
        elif kind in _WRITTEN:
            self._captured(child, _WRITTEN[kind], payload)
        elif kind == FromInterpreter.LOG:
            level, _, text = payload.partition(b"\n")
            self._captured(child, self._level(level), text + b"\n")
        elif kind == FromInterpreter.PROGRESS:
            self._progressed(child, payload)
        elif kind == FromInterpreter.READY:
            self._keeper.succeeded()
            self._processes.settle()
        elif kind == FromInterpreter.UNLOADABLE:
            self._not_started(child, read_error(payload))

    def _level(self, name: bytes) -> Source:
        source = self._levels.get(name)
        if source is None:
            if len(self._levels) > 100:
                self._levels.clear()
            source = self._levels[name] = Source("log", name[:20].decode("utf-8", "replace"))
        return source

    def _progressed(self, child: Child, payload: bytes) -> None:
        if self.run is None or child is not self._child:
            return
        try:
            fraction, message = json.loads(payload)
        except ValueError:
            return
        self._link.tell(ToDaemon.PROGRESS, [self.run.order.run_id, fraction, message], boottime())

    def _on_exit(self, child: Child) -> None:
        """The process has ended; what it said before comes first."""
        child.collect()
        if child.status is None:
            return  # The descriptor is another's by now.
        try:
            for kind, payload in child.receive_all():
                self._heard(child, kind, payload)
        except DamagedChannel:
            child.close_channel()
        self._gone(child)

    def _gone(self, child: Child) -> None:
        child.closed_channel = not child.wait(_EXIT_WITHIN)
        if self.run is not None and child is self._child:
            self._end(None)
        elif child is self._keeper.child:
            if child.ready:
                text = f"an idle interpreter ended: {self._exit_text(child)}"
                self._discard(child)
                self._link.tell(ToDaemon.FAULT, text, boottime())
            else:
                text = f"the interpreter ended while importing the application: {self._exit_text(child)}"
                self._not_started(child, ["AppLoadError", text, ""])

    def _exit_text(self, child: Child) -> str:
        if child.closed_channel or child.status is None:
            return "it closed its private channel"
        text = system.describe_exit(child.status)
        return f"{text} (out of memory?)" if text == "killed by SIGKILL" and not child.killed else text

    # Stopping.

    def ask(self, reason: str, now: float, within: float | None = None) -> None:
        """Ask the present run to stop and, unless it does within so many seconds, kill it.

        A result that has already arrived counts: it is looked for first.
        """
        run, child = self.run, self._child
        if run is None or child is None:
            return
        if child.channel is not None:
            self._on_channel(child)
        if self.run is run and run.ask(reason, now, run.order.kill_after if within is None else within):
            child.send(ToInterpreter.STOP)
            self._processes.ask(child, self._keeper.child)

    def tend(self, now: float) -> None:
        """Do what has come due."""
        if self.run is not None:
            self._tend_run(self.run, now)
        starting = self._keeper.child
        if starting is not None and now >= self._keeper.start_by:
            self._not_started(starting, ["AppLoadError", "importing the application took too long", ""])

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
        self._drain(child, run.capture)
        self.run = self._child = None
        self._link.ended(self._header(run, child, result, notes, now), result[1:] if result else b"", now)
        if not is_interpreter:
            self._forget(child)
        elif notes or not reusable or (result and result[0] & ResultFlags.LEAKED):
            self._discard(child)
            self._start_ahead()
        elif run.order.fresh or self._keeper.worn(child, now - run.began_at):
            self.retire()
            self._start_ahead()

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

    def _drain(self, child: Child, capture: Capture) -> None:
        """Take what is left in the pipes. Nobody of the run still writes, but a helper might, endlessly."""
        for fd, source in ((child.out, _PIPED_OUT), (child.err, _PIPED_ERR)):
            taken = 0
            while taken < _DRAIN_AT_MOST and (data := read_now(fd)):
                capture.write(source, data, boottime())
                taken += len(data)

    def _header(self, run: Run, child: Child, result: bytes | None, notes: list[str], now: float) -> list[object]:
        order = run.order
        exit_text = None if result is not None else self._exit_text(child)
        succeeded = (
            bool(result[0] & ResultFlags.SUCCEEDED) if result else child.status == 0 and order.command is not None
        )
        if succeeded and run.reason is not None:
            notes = [*notes, "it had been asked to stop, and ended well all the same"]
        error = run.fault(None if succeeded else exit_text)
        lines = run.capture.finish(now)
        return [
            order.sequence,
            order.run_id,
            run.status(succeeded),
            run.began_at,
            now,
            exit_text,
            error,
            lines,
            notes,
        ]

    # The interpreter.

    def _not_started(self, child: Child, error: list[str]) -> None:
        now = boottime()
        self._processes.kill(child)
        self._unwatch(child)
        self._drain_startup(child)
        self._keeper.failed(error, now)
        self._forget(child)
        self._link.tell(ToDaemon.FAULT, f"{error[0]}: {error[1]}", now)

    def _drain_startup(self, child: Child) -> None:
        if self._keeper.startup is not None:
            self._drain(child, self._keeper.startup)

    def _start_ahead(self) -> None:
        if self._keeper.may_start and not self.closing:
            self._start(boottime())

    def retire(self) -> None:
        """Let the interpreter end in good order, and kill it if it does not."""
        child = self._keeper.child
        if child is not None:
            self._unwatch(child)
            child.close_channel()
            if child.ready:
                child.wait(_LEAVE_WITHIN)
            self._discard(child)

    def _discard(self, child: Child) -> None:
        self._processes.kill(child)
        self._keeper.forget()
        self._forget(child)

    def _forget(self, child: Child) -> None:
        self._unwatch(child)
        self._processes.remove(child)
        child.close()

    def _unwatch(self, child: Child) -> None:
        for fd in child.descriptors:
            self._watcher.remove(fd)

    def kill_everything(self) -> None:
        """Nothing below this process may live on."""
        child = self._child or self._keeper.child
        if child is not None:
            self._processes.kill(child)
        self._processes.kill_left(None)
