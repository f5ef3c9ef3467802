"""``matins enable``: switch schedules on."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.cli.invocation import ReasonOption, invocation
from matins.cli.switching import switch_on


def command(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="One or more schedules.")],
    reason: ReasonOption = None,
) -> int:
    """Switch schedules on; they fire from now on, never for the past. One that was quarantined is tried again."""
    return switch_on(invocation(context), ids, reason)
