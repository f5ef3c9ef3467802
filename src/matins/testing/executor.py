"""The executor of a manual daemon: calls jobs, or what stands in for them, here and now, and lets their time pass by
the clock of the test. It keeps no process from anything: a job that never returns never returns."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from matins.app import Matins
from matins.clock import ManualClock
from matins.domain.durations import parse_duration
from matins.domain.job import Job
from matins.domain.states import RunStatus
from matins.execution.context import Cancelled
from matins.execution.interpreter_call import Caller, Declared
from matins.execution.outcome import failure, success
from matins.execution.port import Ended, Event, LogLine, RunError, RunOrder, StopReason
from matins.testing.recording import Duration, RecordedContext, RecordingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run that is only pretended ends: after so long, well or with an error."""

    takes: Duration = 0
    error: str | None = None
    """None for a run that succeeds."""
    result: Any = None

    def __post_init__(self) -> None:
        parse_duration(self.takes)

    @property
    def duration(self) -> timedelta:
        """How long the run takes, unless its timeout ends it first."""
        return parse_duration(self.takes)


StandIn = Outcome | Callable[..., Any]
"""What is run in a job's place: an outcome, or a function called as the job's would be. One that returns an `Outcome`
decides how the run ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    function: Callable[..., Any]
    takes_context: bool


class StandIns:
    """The application's jobs, some of them replaced."""

    def __init__(self, app: Matins, given: Mapping[str, StandIn]) -> None:
        self._app = app
        self._given = {name: _function(one) for name, one in given.items()}

    def get_job(self, name: str) -> Declared:
        return self._given.get(name) or self._app.get_job(name)


class ManualExecutor:
    """Runs orders when they are submitted; each ends when the clock has reached its end."""

    def __init__(self, *, jobs: StandIns, clock: ManualClock, slots: int) -> None:
        self._jobs = jobs
        self._clock = clock
        self._slots = slots
        self._going: dict[int, tuple[datetime, Ended]] = {}

    @property
    def next_end(self) -> datetime | None:
        """When the first of the runs that are going on ends."""
        return min((end for end, _ in self._going.values()), default=None)

    @property
    def over(self) -> bool:
        """Whether runs have ended that nobody took note of yet."""
        return any(end <= self._clock.now() for end, _ in self._going.values())

    def capacity(self, job: Job | None = None) -> int:
        return max(0, self._slots - len(self._going))

    def submit(self, order: RunOrder) -> None:
        line = RecordingLine(clock=self._clock)
        outcome, ended = self._run(order, line)
        if (allowed := timedelta(seconds=min(order.timeout_seconds, 1e9))) < outcome.duration:
            error = RunError(type="TimedOut", message=f"The run took longer than {order.timeout_seconds:g} s.")
            ended = replace(ended, status=RunStatus.TIMED_OUT, error=error, result=None)
        takes = min(outcome.duration, allowed)
        ended = replace(ended, ended_at=ended.began_at + takes.total_seconds())
        self._going[order.run_id] = self._clock.now() + takes, ended

    def poll(self, timeout_seconds: float | None) -> list[Event]:
        over = sorted((end, id_) for id_, (end, _) in self._going.items() if end <= self._clock.now())
        return [self._going.pop(id_)[1] for _, id_ in over]

    def wake(self) -> None:
        """Nobody waits."""

    def stop(self, run_id: int, reason: str) -> None:
        if run_id not in self._going:
            return
        if reason == StopReason.LEASE:
            del self._going[run_id]
            return
        status = RunStatus.CANCELLED if reason == StopReason.CANCEL else RunStatus.INTERRUPTED
        self._going[run_id] = self._clock.now(), self._cut_short(self._going[run_id][1], status)

    def renew(self, deadline: float) -> None:
        """No run here outlives its daemon."""

    def reload(self) -> None:
        """The code is this process's own."""

    def close(self, grace_seconds: float) -> list[Event]:
        """End everything now; the executor may be used again."""
        over = self.poll(0)
        cut = [self._cut_short(ended, RunStatus.INTERRUPTED) for _, ended in self._going.values()]
        self._going.clear()
        return [*over, *cut]

    def _run(self, order: RunOrder, line: RecordingLine) -> tuple[Outcome, Ended]:
        context = RecordedContext(
            order.context,
            timeout=order.timeout_seconds,
            soft_timeout=order.job.soft_timeout_seconds,
            line=line,
        )
        outcome, error, notes = self._outcome(order.job.name, context, line)
        now = self._clock.boottime()
        ended = Ended(
            run_id=order.run_id,
            status=RunStatus.SUCCEEDED if error is None else RunStatus.FAILED,
            began_at=now,
            ended_at=now,
            error=error,
            result=outcome.result,
            lines=tuple(
                LogLine(number=number, at=now, stream="log", text=record.getMessage(), level=record.levelname)
                for number, record in enumerate(line.records, 1)
            ),
            notes=notes,
        )
        return outcome, ended

    def _outcome(
        self, name: str, context: RecordedContext, line: RecordingLine
    ) -> tuple[Outcome, RunError | None, tuple[str, ...]]:
        try:
            value = Caller(self._jobs, line).call(name, context)
        except (Exception, SystemExit, Cancelled) as error:  # noqa: BLE001 - what the job raises is its outcome
            type_, message, trace = json.loads(failure(error))[0]
            return Outcome(), RunError(type=type_, message=message, traceback=trace), ()
        if isinstance(value, Outcome) and value.error is not None:
            return value, RunError(type="Error", message=value.error), ()
        outcome = value if isinstance(value, Outcome) else Outcome(result=value)
        result, notes = json.loads(success(outcome.result))
        return replace(outcome, result=result), None, tuple(notes)

    def _cut_short(self, ended: Ended, status: RunStatus) -> Ended:
        return replace(ended, status=status, ended_at=self._clock.boottime(), error=None, result=None)


def _function(one: StandIn) -> _Function:
    if isinstance(one, Outcome):
        return _Function(function=lambda: one, takes_context=False)
    return _Function(function=one, takes_context="ctx" in inspect.signature(one).parameters)
