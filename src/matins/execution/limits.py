"""What bounds a local executor's slots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLimits:
    """Bounds on what one run may leave in the ledger, and on how long an interpreter is kept."""

    output_lines: int = 10_000
    output_bytes: int = 1024 * 1024
    line_bytes: int = 16 * 1024
    interpreter_growth_bytes: int = 256 * 1024 * 1024
    """By how much an interpreter may grow over what it was after importing the application."""
    stream_seconds: float = 0.25
    """How often at most the output of a run that is still going is passed on."""
