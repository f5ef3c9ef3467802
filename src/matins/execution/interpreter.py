"""The warm interpreter of a slot: it imports the application once and takes one run at a time.

This is the one process that runs the user's code, and the boundary at which everything that code may raise
becomes an outcome. It is trusted with nothing: who believes it, and for how long, is the supervisor's affair.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from socket import socket
from typing import Any

from matins.clock import SystemClock
from matins.execution import system
from matins.execution.context import JobContext
from matins.execution.frames import FromInterpreter, ResultFlags
from matins.execution.interpreter_call import Caller, import_application, searched_from
from matins.execution.interpreter_channel import Channel
from matins.execution.interpreter_output import Output
from matins.execution.interpreter_state import ProcessState
from matins.execution.outcome import failure, success

_CHANNEL_FD = 3


class Interpreter:
    """Takes runs and answers each with its outcome."""

    def __init__(self, *, channel: Channel, caller: Caller, output: Output) -> None:
        self._channel = channel
        self._caller = caller
        self._output = output
        self._state = ProcessState()

    def serve(self) -> None:
        """Run what comes until nothing more will."""
        while (payload := self._channel.receive()) is not None:
            self._run(*json.loads(payload))

    def _run(
        self, name: str, data: dict[str, Any], timeout: float, soft_timeout: float | None, memory: int | None
    ) -> None:
        context = JobContext(data, timeout=timeout, soft_timeout=soft_timeout, line=self._channel)
        flags, outcome = self._outcome(name, context, memory)
        if not self._channel.ours:
            self._leave_fork(flags)
        self._output.flush()
        self._channel.send_held_progress()
        if leaked := self._state.leaked_threads():
            flags |= ResultFlags.LEAKED
            self._channel.log("WARNING", f"threads left running by the job: {', '.join(leaked)}"[:500])
        self._reap()
        if not self._tidy():
            flags |= ResultFlags.LEAKED
        self._channel.send(FromInterpreter.RESULT, bytes((flags,)) + outcome)

    def _outcome(self, name: str, context: JobContext, memory: int | None) -> tuple[int, bytes]:
        try:
            value = self._call(name, context, memory)
        except BaseException as error:  # noqa: BLE001 - the child's boundary: whatever the job raises is its outcome
            return 0, failure(error)
        return ResultFlags.SUCCEEDED, success(value)

    def _call(self, name: str, context: JobContext, memory: int | None) -> Any:
        limits = _limit_memory(memory)
        try:
            self._channel.run_begins()
            return self._caller.call(name, context)
        finally:
            self._channel.run_ends()
            if limits is not None:
                with suppress(ValueError, OSError):  # The job may have lowered the hard limit: seen to in `_tidy`.
                    resource.setrlimit(resource.RLIMIT_DATA, limits)

    def _leave_fork(self, flags: int) -> None:
        """End a process the job forked and let return: the run's outcome is its parent's to tell."""
        self._output.flush()
        os._exit(0 if flags & ResultFlags.SUCCEEDED else 1)

    def _reap(self) -> None:
        """Take the exit statuses of what the job started and did not wait for."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return

    def _tidy(self) -> bool:
        """Undo what the job did to the interpreter; False when that is not possible."""
        try:
            self._state.restore()
        except (OSError, ValueError):
            return False
        if not self._output.in_place():
            self._output.install()
        return True


def _limit_memory(size: int | None) -> tuple[int, int] | None:
    """Limit this process's private memory; the limits it had."""
    if size is None:
        return None
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size, before[1]))
    return before


def main() -> None:
    """Import the application and serve its runs; the arguments: its reference, the supervisor's pid."""
    reference, parent = sys.argv[1], int(sys.argv[2])
    sys.argv[:] = ["matins"]
    system.die_with_parent(parent)
    os.set_inheritable(_CHANNEL_FD, False)
    faulthandler.enable(file=2)
    channel = Channel(socket(fileno=_CHANNEL_FD), SystemClock())
    output = Output(channel)
    output.install()
    signal.signal(signal.SIGTERM, channel.on_sigterm)
    searched_from(os.getcwd())
    try:
        application = import_application(reference)
    except BaseException as error:  # noqa: BLE001 - importing runs the user's code, which may raise anything or exit
        output.flush()
        _say_unloadable(channel, error)
        os._exit(1)
    output.capture_logging()
    gc.collect()
    gc.freeze()
    interpreter = Interpreter(channel=channel, caller=Caller(application, channel), output=output)
    channel.send(FromInterpreter.READY, b"")
    interpreter.serve()


def _say_unloadable(channel: Channel, error: BaseException) -> None:
    described = json.loads(failure(error))[0]
    channel.send(FromInterpreter.UNLOADABLE, json.dumps(described).encode())
