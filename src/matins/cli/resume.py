"""``matins resume``: end a pause."""

from __future__ import annotations

import typer

from matins.admin import pause
from matins.cli import output
from matins.cli.actor import actor
from matins.cli.invocation import ReasonOption, invocation


def command(context: typer.Context, reason: ReasonOption = None) -> None:
    """End a pause."""
    call = invocation(context)
    with call.store() as store:
        state = pause.resume(store, actor(call), reason=reason)
    output.line("Resumed." if state.changed else "It was not paused.")
