"""``matins drain``: empty one worker."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import pause
from matins.cli import output
from matins.cli.actor import actor
from matins.cli.invocation import ReasonOption, invocation
from matins.cli.tables import clean


def command(
    context: typer.Context,
    worker: Annotated[str, typer.Argument(metavar="WORKER", help="Its id in `matins workers`.")],
    reason: ReasonOption = None,
) -> None:
    """Let one worker start nothing new, until it is restarted. What it runs goes on."""
    call = invocation(context)
    with call.store() as store:
        record = pause.drain(store, actor(call), worker, reason=reason)
    output.line(clean(f"{record.id} is draining: {record.running} running there, nothing new starts."))
