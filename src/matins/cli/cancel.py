"""``matins cancel``: stop an occurrence."""

from __future__ import annotations

import typer

from matins.admin import cancel
from matins.cli import output
from matins.cli.actor import actor
from matins.cli.invocation import JsonOption, ReasonOption, invocation
from matins.cli.numbers import OccurrenceArgument
from matins.domain.states import OccurrenceStatus


def command(
    context: typer.Context,
    occurrence: OccurrenceArgument,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop an occurrence: what waits ends at once, what runs is asked to stop, then killed."""
    call = invocation(context)
    with call.store() as store:
        record = cancel.cancel(store, actor(call), occurrence, reason=reason)
    if as_json:
        output.json(record)
    elif OccurrenceStatus(record.status).ended:
        output.line(f"Occurrence {record.id} is {record.status}.")
    else:
        output.line(f"Occurrence {record.id} is asked to stop.")
