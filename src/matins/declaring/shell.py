"""Shell commands as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Shell:
    """A command to run as a job: text for the shell, or an argument vector. Each is its own, however alike."""

    command: str | tuple[str, ...]


def shell(command: str | Sequence[str]) -> Shell:
    """A command to declare as a job: ``app.job(shell("pg_dump shop"), name="backup")``.

    Args:
        command: Text that the shell reads, or a list of the program and its arguments that no shell touches.
    """
    return Shell(command if isinstance(command, str) or not isinstance(command, Sequence) else tuple(command))
