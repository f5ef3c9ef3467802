"""``matins disable``: switch schedules off."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.cli.invocation import ReasonOption, invocation
from matins.cli.switching import switch_off


def command(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="One or more schedules.")],
    reason: ReasonOption = None,
) -> int:
    """Switch schedules off. What runs goes on; the ledger says which fires did not run."""
    return switch_off(invocation(context), ids, reason)
