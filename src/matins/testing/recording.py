"""A job's context without a daemon: what the job says of itself is kept, and nothing is stopped or timed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from matins.clock import Clock, ManualClock
from matins.domain.durations import parse_duration
from matins.domain.states import OccurrenceKind
from matins.domain.triggers import as_utc
from matins.execution.context import JobContext

Duration = timedelta | float | str
SOME_TIME = datetime(2030, 1, 1, tzinfo=UTC)
NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """What a job once said of itself."""

    fraction: float | None
    message: str


@dataclass(slots=True, kw_only=True)
class RecordingLine:
    """What stands between a context and its daemon: here, somewhere to write down what passes."""

    clock: Clock
    stop_asked: bool = False
    stop_after: int | None = None
    """After how many looks at `cancelled` the run is asked to stop."""
    looks: int = 0
    reports: list[ProgressReport] = field(default_factory=list)
    records: list[logging.LogRecord] = field(default_factory=list)

    def promise_to_look(self) -> None:
        self.looks += 1
        if self.stop_after is not None and self.looks > self.stop_after:
            self.stop_asked = True

    def progress(self, fraction: float | None, message: str) -> None:
        self.reports.append(ProgressReport(fraction=fraction, message=message))

    def redirect(self, action: Callable[[], object] | None) -> None:
        """Nothing is interrupted here."""


class RecordedContext(JobContext):
    """A job's context that remembers what the job did with it."""

    __slots__ = ("_recorded",)

    def __init__(
        self, data: dict[str, Any], *, timeout: float, soft_timeout: float | None, line: RecordingLine
    ) -> None:
        super().__init__(data, timeout=timeout, soft_timeout=soft_timeout, line=line)
        self._recorded = line

    @property
    def log(self) -> logging.Logger:
        """A logger of this context alone; its records also reach the handlers of ``matins.job.NAME``."""
        if self._log is None:
            name = f"matins.job.{self.job}"
            # Not registered, so that it ends with this context and its handler does not stay behind.
            self._log = logging.Logger(name, logging.DEBUG)
            self._log.parent = logging.getLogger(name)
            self._log.addHandler(_Recorder(self._recorded.records))
        return self._log

    @property
    def clock(self) -> Clock:
        """The clock that `deadline` and `soft_timeout` go by; in a context made by `context`, one to be moved."""
        return self._recorded.clock

    @property
    def reports(self) -> tuple[ProgressReport, ...]:
        """What the job passed to `progress`, all of it."""
        return tuple(self._recorded.reports)

    @property
    def log_records(self) -> tuple[logging.LogRecord, ...]:
        """What the job logged through `log`."""
        return tuple(self._recorded.records)

    @property
    def log_lines(self) -> tuple[str, ...]:
        """The messages of what the job logged through `log`."""
        return tuple(record.getMessage() for record in self._recorded.records)

    def ask_to_stop(self) -> None:
        """From now on `cancelled` is true. Nothing is raised in the job."""
        self._recorded.stop_asked = True


def context(
    *,
    job: str = "job",
    schedule_id: str | None = None,
    fire_at: datetime = SOME_TIME,
    kind: str = OccurrenceKind.SCHEDULED,
    args: Mapping[str, Any] | None = None,
    attempt: int = 1,
    fence: int = 1,
    run_id: int = 1,
    occurrence_id: int = 1,
    last_success_at: datetime | None = None,
    timeout: Duration | None = None,
    soft_timeout: Duration | None = None,
    stop_after: int | None = None,
) -> RecordedContext:
    """A context to call a job's function with.

    Args:
        fire_at: the planned time; also what the context's clock reads, until ``ctx.clock.advance(…)`` moves it.
        timeout: None for a run that is never stopped.
        stop_after: how often ``cancelled`` is still false before the run is asked to stop.
    """
    data = {
        "job": job,
        "schedule_id": schedule_id,
        "fire_at": as_utc(fire_at).isoformat(),
        "kind": OccurrenceKind(kind).value,
        "is_catch_up": kind == OccurrenceKind.CATCH_UP,
        "args": dict(args or {}),
        "attempt": attempt,
        "fence": fence,
        "run_id": run_id,
        "occurrence_id": occurrence_id,
        "last_success_at": None if last_success_at is None else as_utc(last_success_at).isoformat(),
    }
    return RecordedContext(
        data,
        timeout=NEVER if timeout is None else parse_duration(timeout).total_seconds(),
        soft_timeout=None if soft_timeout is None else parse_duration(soft_timeout).total_seconds(),
        line=RecordingLine(clock=ManualClock(as_utc(fire_at)), stop_after=stop_after),
    )


class _Recorder(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
