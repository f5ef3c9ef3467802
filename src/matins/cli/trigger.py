"""``matins trigger``: run a schedule now."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import requests, schedules
from matins.admin.choices import check_choice
from matins.cli.actor import actor
from matins.cli.invocation import ArgsOption, JsonOption, ReasonOption, WaitOption, invocation
from matins.cli.requested import parse_args, tell
from matins.domain.states import OverlapPolicy


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule; it need not be enabled.")],
    job: Annotated[str | None, typer.Option(metavar="NAME", help="Only this one of its jobs.")] = None,
    args: ArgsOption = None,
    reason: ReasonOption = None,
    overlap: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="If it runs already: skip, buffer_one, buffer_all, allow, cancel_running."),
    ] = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run a schedule now, or one of its jobs; exit 1 if it is not started."""
    call = invocation(context)
    given = parse_args(args)
    policy = None if overlap is None else check_choice("overlap policy", overlap, OverlapPolicy)
    with call.store() as store:
        record = requests.trigger(
            store,
            actor(call),
            schedule_id,
            job=job,
            args=given,
            reason=reason,
            overlap=policy,
            environment=call.environment,
        )
        app = schedules.get_schedule(store, schedule_id).app
        return tell(call, store, record, verb=f"Triggered {schedule_id}", wait=wait, as_json=as_json, app=app)
