"""``matins runs``: the runs of all jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import runs
from matins.admin.records import RunRecord
from matins.cli import output, words
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.paging import CursorOption, LimitOption, StatusOption, tell_of_more
from matins.cli.tables import Column, Row

COLUMNS = (
    Column(heading="Run", right=True),
    Column(heading="Job", wraps=True),
    Column(heading="Schedule", wraps=True),
    Column(heading="Started"),
    Column(heading="Took", right=True),
    Column(heading="Outcome", wraps=True),
)


def command(
    context: typer.Context,
    schedule: Annotated[str | None, typer.Option(metavar="ID", help="Only of this schedule.")] = None,
    job: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this job.")] = None,
    status: StatusOption = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Not before this time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")] = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs of all jobs, the newest first."""
    call = invocation(context)
    with call.store() as store:
        page = runs.list_runs(
            store,
            schedule_id=schedule,
            job=job,
            statuses=status or (),
            since=None if since is None else call.time(since),
            until=None if until is None else call.time(until),
            limit=limit,
            cursor=cursor,
        )
    if as_json:
        output.json(page)
        return
    filtered = any((schedule, job, status, since, until, cursor))
    output.table(
        COLUMNS, [_row(call, one) for one in page.runs], empty=f"No run{' like that' if filtered else ''} yet."
    )
    tell_of_more(page.next_cursor)


def _row(call: Invocation, one: RunRecord) -> Row:
    job = one.job if one.attempt == 1 else f"{one.job} (attempt {one.attempt})"
    schedule = one.schedule_id or words.NONE
    return [one.id, job, schedule, words.by_far(one.started_at, call), words.took(one), words.outcome(one)]
