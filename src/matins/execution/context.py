"""What a job sees of its run: the context, and the exception that stops it.

A run that is to stop gets SIGTERM. What the job sees of that depends on the job:

- it never looked at `ctx.cancelled`: `Cancelled` is raised in its main thread, so that ordinary code ends
  promptly and its `finally` blocks run; an async job's task is cancelled instead, which takes effect where it awaits;
- it has looked at `ctx.cancelled`: it is taken to stop by itself, nothing is raised, and the flag turns true.

Either way it is killed when it has not ended after its job's `kill_after`.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Protocol

from matins.clock import Clock


class Cancelled(BaseException):
    """Raised in a job that is to stop; no `Exception`, so that its own error handling does not swallow it."""


class RunLine(Protocol):
    """What a context needs of the process it lives in."""

    clock: Clock

    @property
    def stop_asked(self) -> bool:
        """Whether the present run was asked to stop."""
        ...

    def promise_to_look(self) -> None:
        """The job stops by itself: nothing is to be raised in it."""
        ...

    def progress(self, fraction: float | None, message: str) -> None:
        """Pass on what the job says of itself, not too often."""
        ...


class JobContext:
    """One run, as its job sees it."""

    __slots__ = ("_began", "_data", "_line", "_log", "_soft", "_timeout")

    def __init__(self, data: dict[str, Any], *, timeout: float, soft_timeout: float | None, line: RunLine) -> None:
        self._data = data
        self._line = line
        self._began = line.clock.boottime()
        self._timeout = timeout
        self._soft = soft_timeout
        self._log: logging.Logger | None = None

    @property
    def schedule_id(self) -> str | None:
        """The schedule's id; None for a job run without one."""
        value: str | None = self._data.get("schedule_id")
        return value

    @property
    def occurrence_id(self) -> int:
        """The occurrence this run belongs to."""
        return int(self._data["occurrence_id"])

    @property
    def run_id(self) -> int:
        """This attempt's own number."""
        return int(self._data["run_id"])

    @property
    def job(self) -> str:
        """The job's name."""
        return str(self._data["job"])

    @property
    def fire_at(self) -> datetime | None:
        """The planned time, in UTC; for a manual run the time of the request."""
        return _instant(self._data.get("fire_at"))

    @property
    def kind(self) -> str:
        """Why the occurrence exists: ``scheduled``, ``manual``, ``catch_up``, ``backfill`` or ``retry``."""
        return str(self._data.get("kind", "manual"))

    @property
    def is_catch_up(self) -> bool:
        """Whether this run makes up for a fire that was missed."""
        return bool(self._data.get("is_catch_up", False))

    @property
    def attempt(self) -> int:
        """1 for the first try, and one more for each after it."""
        return int(self._data.get("attempt", 1))

    @property
    def fence(self) -> int:
        """A number that rises with every attempt: hand it to what you write to, to refuse lower ones."""
        return int(self._data["fence"])

    @property
    def args(self) -> dict[str, Any]:
        """The arguments of the schedule or the request."""
        value: dict[str, Any] = self._data.get("args") or {}
        return value

    @property
    def last_success_at(self) -> datetime | None:
        """When this schedule last ended well; None when it never did."""
        return _instant(self._data.get("last_success_at"))

    @property
    def log(self) -> logging.Logger:
        """A logger whose records are kept with the run, each with its level."""
        if self._log is None:
            self._log = logging.getLogger(f"matins.job.{self.job}")
            if self._log.level == logging.NOTSET:
                self._log.setLevel(logging.DEBUG)
        return self._log

    def progress(self, fraction: float | None = None, message: str = "") -> None:
        """Say how far the job is, for whoever watches. Cheap: only what people could read is passed on.

        Args:
            fraction: from 0 to 1, or None when it cannot be told.
            message: a few words.
        """
        self._line.progress(fraction, message)

    @property
    def cancelled(self) -> bool:
        """Whether this run was asked to stop. A job that looks here is not interrupted: look often."""
        self._line.promise_to_look()
        return self._line.stop_asked

    @property
    def soft_timeout(self) -> bool:
        """Whether the job's soft timeout has passed: time to finish what is begun and start nothing more."""
        return self._soft is not None and self._elapsed() >= self._soft

    @property
    def deadline(self) -> datetime | None:
        """When this run will be stopped, by the wall clock; None when it never will."""
        if self._timeout == float("inf"):
            return None
        return self._line.clock.now() + timedelta(seconds=self._timeout - self._elapsed())

    def _elapsed(self) -> float:
        return self._line.clock.boottime() - self._began


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
