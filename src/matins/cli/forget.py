"""``matins forget``: the one command that destroys; it asks first."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from matins.admin import forget, schedules
from matins.admin.records import ScheduleDetail
from matins.cli import output
from matins.cli.actor import actor
from matins.cli.invocation import ReasonOption, invocation
from matins.cli.tables import clean
from matins.errors import UsageError


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="An orphaned schedule.")],
    reason: ReasonOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete an orphaned schedule with its history, runs and logs, for good."""
    call = invocation(context)
    with call.store() as store:
        found = schedules.get_schedule(store, schedule_id)
        # One that may not be forgotten is refused below, without a question first.
        if found.orphaned and not yes and not _confirmed(found):
            output.note("Nothing was deleted.")
            return 1
        with output.working(f"Deleting {clean(schedule_id)}"):
            done = forget.forget(store, actor(call), schedule_id, reason=reason)
    output.line(f"Deleted {clean(done.id)} and {done.occurrences} occurrences of it.")
    return 0


def _confirmed(one: ScheduleDetail) -> bool:
    counts = f"{one.run_count} successes and {one.failure_count} failures"
    if not sys.stdin.isatty():
        raise UsageError(
            f"Forgetting {one.id!r} deletes its history of {counts} for good.",
            remedy="Add --yes to do it without being asked.",
        )
    return typer.confirm(clean(f"Delete {one.id} and its history of {counts}, for good?"), err=True)
