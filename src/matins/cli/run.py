"""``matins run``: run one job without a schedule."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import jobs, requests
from matins.cli.actor import actor
from matins.cli.invocation import ArgsOption, JsonOption, ReasonOption, WaitOption, invocation
from matins.cli.requested import parse_args, tell


def command(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's name.")],
    args: ArgsOption = None,
    reason: ReasonOption = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="APP", help="The app's name, where several have such a job.")
    ] = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run one job now, without a schedule."""
    call = invocation(context)
    given = parse_args(args)
    with call.store() as store:
        record = requests.run_job(store, actor(call), job, args=given, reason=reason, app=of)
        app = of or jobs.get_job(store, job).app
        return tell(call, store, record, verb=f"Asked for {job}", wait=wait, as_json=as_json, app=app)
