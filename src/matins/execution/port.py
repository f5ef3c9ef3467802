"""The executor port: what a dispatcher hands out and what comes back.

An executor never touches the database. It is given orders whose claims are already committed, begins each at
most once, and answers every order with exactly one `Ended` or one `Returned` (never begun; safe to give
back), whatever the job does and whatever dies, except its own process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from matins.domain.job import Job
from matins.domain.states import RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """One claimed run, ready to begin. Deadlines are readings of the boot-time clock, in seconds."""

    run_id: int
    claim_token: str
    job: Job
    context: dict[str, Any]
    """What the job sees as `ctx`: schedule_id, occurrence_id, run_id, job, fire_at, kind, is_catch_up, attempt, fence,
    args, last_success_at. Instants are aware datetimes or their ISO text."""
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One captured line. `at` is the boot-time clock; `stream` is ``stdout``, ``stderr`` or ``log``."""

    number: int
    at: float
    stream: str
    text: str
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """What went wrong in a run, made in the child and cleaned: never an object of the job's."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The job's code is about to be called.

    Left out when the end is known as soon: `Ended` says when the run began.
    """

    run_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the job last said of itself; `fraction` from 0 to 1."""

    run_id: int
    fraction: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Captured lines of a run that is still going."""

    run_id: int
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run's one outcome, with the lines not yet reported by `Output`."""

    run_id: int
    status: RunStatus
    began_at: float
    ended_at: float
    error: RunError | None = None
    exit: str | None = None
    """How the process ended when it ended without a result: an exit code or ``killed by SIGSEGV``."""
    result: Any = None
    lines: tuple[LogLine, ...] = field(default=())
    notes: tuple[str, ...] = ()
    """What else is worth telling: strays that were killed, a result that was not storable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A run that was never begun and may be claimed by anybody again."""

    run_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFault:
    """A slot is in trouble that is no run's fault: its interpreter cannot load the application, say."""

    slot: int
    message: str


Event = Begun | Progress | Output | Ended | Returned | SlotFault


class StopReason:
    """Why a run is stopped; decides the status its end is recorded under."""

    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    LEASE = "lease"


class Executor(Protocol):
    """Slots that run orders. `renew` and `wake` may be called from any thread; the rest belongs to one."""

    def capacity(self, job: Job | None = None) -> int:
        """How many more orders may be submitted: idle slots, also busy ones for a repeatable job."""
        ...

    def submit(self, order: RunOrder) -> None:
        """Hand an order to a slot."""
        ...

    def poll(self, timeout_seconds: float | None) -> list[Event]:
        """What happened since the last call, waiting at most so long for something, or for `wake`."""
        ...

    def wake(self) -> None:
        """Make a waiting `poll` return at once."""
        ...

    def stop(self, run_id: int, reason: str) -> None:
        """Ask a run to stop; it is killed when it does not within its job's `kill_after_seconds`."""
        ...

    def renew(self, deadline: float) -> None:
        """The lease now holds until this boot-time reading; slots kill their runs before it passes."""
        ...

    def reload(self) -> None:
        """Run nothing more with the code loaded so far, once what is under way has ended; from any thread."""
        ...

    def close(self, grace_seconds: float) -> list[Event]:
        """Stop everything within the grace and end all processes.

        What was begun ends as interrupted unless it ends by itself; the rest is returned.
        """
        ...
