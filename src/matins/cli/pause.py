"""``matins pause``: start nothing new."""

from __future__ import annotations

import typer

from matins.admin import pause
from matins.cli import output, words
from matins.cli.actor import actor
from matins.cli.invocation import ReasonOption, invocation
from matins.cli.tables import clean


def command(context: typer.Context, reason: ReasonOption = None) -> None:
    """Start nothing new in the whole installation, until `matins resume`. What runs goes on."""
    call = invocation(context)
    with call.store() as store:
        state = pause.pause(store, actor(call), reason=reason)
    if state.changed:
        output.line("Paused: nothing new starts until `matins resume`. What runs goes on.")
        return
    since = words.since(state.paused_at, state.paused_by, state.paused_reason, call)
    output.line(clean(f"It was paused already, {since}."))
