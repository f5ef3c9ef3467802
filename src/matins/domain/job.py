"""What a job is, as data: everything a daemon must know to run it without importing its code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from matins.domain.states import Isolation, OnDoubt, OnLost

DEFAULT_KILL_AFTER = 10.0
"""Seconds between SIGTERM and SIGKILL when a run is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential waiting between attempts: ``initial * factor ** (n - 1)`` seconds, at most `maximum`, spread by `jitter`.

    `jitter` is the fraction of the wait by which it may grow or shrink, so that runs that failed together do not come
    back together.
    """

    initial_seconds: float = 10.0
    factor: float = 2.0
    maximum_seconds: float = 3600.0
    jitter: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job's definition. Times are in seconds, memory in bytes; None means "not limited here"."""

    name: str
    tags: tuple[str, ...] = ()
    description: str = ""
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    kill_after_seconds: float = DEFAULT_KILL_AFTER
    retries: int = 0
    backoff: Backoff = Backoff()
    on_lost: OnLost = OnLost.FAIL
    on_doubt: OnDoubt = OnDoubt.STOP
    isolation: Isolation = Isolation.WARM
    memory_limit_bytes: int | None = None
    pool: str | None = None
    priority: int = 0
    command: tuple[str, ...] | str | None = None
    """A shell job's command: a string for the shell, a tuple for an argument vector; None for a Python function."""
    defined_at: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether a second start does no harm, so that it may be handed out ahead of time."""
        return self.on_lost is OnLost.RETRY

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Job:
        """The job that `to_data` wrote."""
        command = data.get("command")
        return cls(
            **{
                **data,
                "tags": tuple(data.get("tags", ())),
                "backoff": Backoff(**data["backoff"]),
                "on_lost": OnLost(data["on_lost"]),
                "on_doubt": OnDoubt(data["on_doubt"]),
                "isolation": Isolation(data["isolation"]),
                "command": tuple(command) if isinstance(command, list) else command,
            }
        )
