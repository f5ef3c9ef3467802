"""Matins, a schedule daemon that accounts for every planned run: the public names, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matins.app import Matins
from matins.declaring.selection import tag
from matins.declaring.shell import shell
from matins.declaring.triggers import at, cron, every
from matins.domain.job import Backoff
from matins.domain.states import Isolation, MissedPolicy, OnDoubt, OnLost, OverlapPolicy
from matins.domain.triggers import Trigger

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    # Looked up when asked for: importing the package stays cheap for the interpreters that run jobs.
    if name in ("Cancelled", "JobContext"):
        from matins.execution import context

        return getattr(context, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("matins")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
