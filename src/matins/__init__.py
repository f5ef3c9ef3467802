"""Matins, a schedule daemon that accounts for every planned run: the public names, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matins.app import Matins
    from matins.declaring.selection import tag
    from matins.declaring.shell import shell
    from matins.declaring.triggers import at, cron, every
    from matins.domain.job import Backoff
    from matins.domain.states import Isolation, MissedPolicy, OnDoubt, OnLost, OverlapPolicy
    from matins.domain.triggers import Trigger
    from matins.execution.context import Cancelled, JobContext

__all__ = [
    "Backoff",
    "Cancelled",
    "Isolation",
    "JobContext",
    "Matins",
    "MissedPolicy",
    "OnDoubt",
    "OnLost",
    "OverlapPolicy",
    "Trigger",
    "__version__",
    "at",
    "cron",
    "every",
    "shell",
    "tag",
]


_HOMES = {
    "Backoff": "matins.domain.job",
    "Cancelled": "matins.execution.context",
    "Isolation": "matins.domain.states",
    "JobContext": "matins.execution.context",
    "Matins": "matins.app",
    "MissedPolicy": "matins.domain.states",
    "OnDoubt": "matins.domain.states",
    "OnLost": "matins.domain.states",
    "OverlapPolicy": "matins.domain.states",
    "Trigger": "matins.domain.triggers",
    "at": "matins.declaring.triggers",
    "cron": "matins.declaring.triggers",
    "every": "matins.declaring.triggers",
    "shell": "matins.declaring.shell",
    "tag": "matins.declaring.selection",
}


def __getattr__(name: str) -> Any:
    # Looked up when asked for: every part of Matins imports this package first, and needs little of it.
    if name in _HOMES:
        from importlib import import_module

        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found
    if name == "__version__":
        from importlib.metadata import version

        return version("matins")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
