"""``matins backfill``: run past fire times."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import backfill
from matins.admin.backfill import Backfill, BackfillFire
from matins.cli import output, times, words
from matins.cli.actor import actor
from matins.cli.invocation import Invocation, JsonOption, ReasonOption, invocation
from matins.cli.presence import tell_if_nothing_starts
from matins.cli.tables import Column, Row, clean

COLUMNS = (
    Column(heading="Fire time"),
    Column(heading="So far"),
    Column(heading="Occurrence", right=True),
)


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule.")],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="The first fire time, itself included.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="The last fire time, itself included.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which fire times these are.")] = False,
    only_missing: Annotated[
        bool, typer.Option("--only-missing", help="Leave out fire times that ran and succeeded.")
    ] = False,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run past fire times: one after the other, giving way to live ones."""
    call = invocation(context)
    since, until = call.time(start), call.time(end)
    with call.store() as store:
        with output.working(f"{'Finding' if dry_run else 'Recording'} fire times of {clean(schedule_id)}"):
            done = backfill.backfill(
                store,
                actor(call),
                schedule_id,
                since,
                until,
                reason=reason,
                dry_run=dry_run,
                only_missing=only_missing,
                environment=call.environment,
            )
        if as_json:
            output.json(done)
            return
        _show(call, done)
        if done.fires and not dry_run:
            tell_if_nothing_starts(store)


def _show(call: Invocation, done: Backfill) -> None:
    output.table(COLUMNS, [_row(call, one) for one in done.fires], empty="There is no fire time in this range.")
    if done.fires and done.dry_run:
        output.note(f"{len(done.fires)} would run. Nothing was recorded: leave out --dry-run.")
    elif done.fires:
        output.note(f"{len(done.fires)} will run, one after the other.")


def _row(call: Invocation, one: BackfillFire) -> Row:
    return [times.instant(one.fire_at, call.zone), one.recorded or "no record", one.occurrence_id or words.NONE]
