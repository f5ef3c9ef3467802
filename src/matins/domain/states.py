"""The words that are stored: kinds, statuses, reasons and policies. Values are what the database holds."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

ScheduleId = NewType("ScheduleId", str)
OccurrenceId = NewType("OccurrenceId", int)
RunId = NewType("RunId", int)
WorkerId = NewType("WorkerId", str)


class OccurrenceKind(StrEnum):
    """Why an occurrence exists."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    BACKFILL = "backfill"
    RETRY = "retry"


class OccurrenceStatus(StrEnum):
    """Where an occurrence stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SKIPPED = "skipped"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (OccurrenceStatus.PENDING, OccurrenceStatus.RUNNING)


class RunStatus(StrEnum):
    """Where one attempt of one job stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SKIPPED = "skipped"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in (RunStatus.PENDING, RunStatus.RUNNING)


class Reason(StrEnum):
    """Why a planned fire, or a job of it, has no run, or why one waits."""

    MISSED = "missed"
    """Nobody was there to plan it in time."""
    COALESCED = "coalesced"
    """Missed, and one later run stands for it (`run_once`)."""
    CATCH_UP_LIMIT = "catch_up_limit"
    """Missed, and beyond the catch-up window or cap."""
    OVERLAP = "overlap"
    """The previous occurrence was still running."""
    BUFFER_FULL = "buffer_full"
    """As many as allowed were waiting already."""
    DISABLED = "disabled"
    """An operator had switched the schedule off."""
    START_WITHIN = "start_within"
    """It waited longer for a slot than the schedule allows."""
    NO_CAPABLE_WORKER = "no_capable_worker"
    """No live worker's code knows the job."""
    NOT_IN_CODE = "not_in_code"
    """The schedule had been removed from the code."""
    SUPERSEDED = "superseded"
    """The trigger was changed before this fire was planned."""
    QUARANTINED = "quarantined"
    """The schedule's row or definition could not be used."""
    SHUTTING_DOWN = "shutting_down"
    """The daemon was stopping."""
    CANCELLED = "cancelled"
    """An operator cancelled it."""
    EARLIER_FAILURE = "earlier_failure"
    """An earlier job of the occurrence failed and the schedule stops on failure."""
    TIMED_OUT = "timed_out"
    """The occurrence's own time limit was over."""
    REPLACED = "replaced"
    """A newer occurrence took its place (`cancel_running`)."""


class MissedPolicy(StrEnum):
    """What to do with fire times nobody was there to plan."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"


class OverlapPolicy(StrEnum):
    """What to do when the previous occurrence is still running."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    ALLOW = "allow"
    CANCEL_RUNNING = "cancel_running"


class OnLost(StrEnum):
    """What follows a run whose worker died."""

    RETRY = "retry"
    FAIL = "fail"


class OnDoubt(StrEnum):
    """What a worker does with a job when it can no longer prove its lease."""

    STOP = "stop"
    CONTINUE = "continue"


class Isolation(StrEnum):
    """Whether runs share a warm interpreter, one after the other, or get a process of their own."""

    WARM = "warm"
    FRESH = "fresh"


class WorkerStatus(StrEnum):
    """What a worker's row says of it."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DEAD = "DEAD"
