"""``matins retry``: run an occurrence once more."""

from __future__ import annotations

import typer

from matins.admin import requests
from matins.cli.actor import actor
from matins.cli.invocation import JsonOption, ReasonOption, WaitOption, invocation
from matins.cli.numbers import OccurrenceArgument
from matins.cli.requested import tell


def command(
    context: typer.Context,
    occurrence: OccurrenceArgument,
    reason: ReasonOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run an occurrence that has ended once more, with its fire time, jobs and arguments."""
    call = invocation(context)
    with call.store() as store:
        record = requests.retry(store, actor(call), occurrence, reason=reason, environment=call.environment)
        return tell(call, store, record, verb=f"Retrying {occurrence}", wait=wait, as_json=as_json, app=None)
