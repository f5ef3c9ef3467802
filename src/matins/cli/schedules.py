"""``matins schedules``: all of them at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from matins.admin import schedules
from matins.admin.records import ScheduleRecord
from matins.cli import output, words
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import Column, Row

COLUMNS = (
    Column(heading="ID", wraps=True),
    Column(heading="When", wraps=True),
    Column(heading="State"),
    Column(heading="Next run"),
    Column(heading="Last run"),
    Column(heading="Outcome"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What is printed for programs."""

    schedules: tuple[ScheduleRecord, ...]


def command(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="In id, name or description.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only with a job that has this tag.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Only those that are switched on, or off.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """All schedules: when they run, whether they are on, their next and last run."""
    call = invocation(context)
    with call.store() as store:
        found = schedules.list_schedules(
            store, text=text, tag=tag, enabled=enabled, environment=call.environment, described=as_json
        )
    if as_json:
        output.json(Listed(schedules=found))
        return
    output.table(COLUMNS, [_row(call, one) for one in found], empty=_none(text, tag, enabled))


def _row(call: Invocation, one: ScheduleRecord) -> Row:
    upcoming = words.by_far(one.next_run_at, call) if one.applies else f"in {', '.join(one.environments)}"
    last = words.by_far(one.last_run_at, call)
    return [one.id, words.when(one), words.state(one), upcoming, last, one.last_status or words.NONE]


def _none(text: str | None, tag: str | None, enabled: bool | None) -> str:
    if text is None and tag is None and enabled is None:
        return "There are no schedules yet: `matins up` or `matins daemon` brings those of the code into the database."
    return "No schedule matches. `matins schedules` lists all."
