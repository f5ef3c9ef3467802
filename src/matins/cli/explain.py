"""``matins explain``: what became of a fire time, and why."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import typer

from matins.admin import explain
from matins.admin.explained import Explanation
from matins.cli import output, times, words
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import clean

_FRACTION = re.compile(r":\d\d[.,]\d")


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule.")],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="The fire time, such as 'today 02:00'.")],
    as_json: JsonOption = False,
) -> int:
    """What became of a fire time, and why; exit 0 if it ran."""
    call = invocation(context)
    instant = _whole(call.time(at), at)
    with call.store() as store:
        found = explain.explain(store, schedule_id, instant, environment=call.environment)
    if as_json:
        output.json(found)
    else:
        _show(call, found)
    return 0 if found.ran else 1


def _whole(instant: datetime, text: str) -> datetime:
    """The instant without the fraction that the present lends to "-20s", for nobody means that one."""
    return instant if _FRACTION.search(text) else instant.replace(microsecond=0)


def _show(call: Invocation, found: Explanation) -> None:
    output.line(clean(f"{found.schedule_id} at {times.both(found.at, call.now(), call.zone)}"))
    output.line(clean(found.sentence))
    for one in found.evidence:
        when = f"{times.instant(one.at, call.zone)}  " if one.at else ""
        output.line(clean(f"  - {when}{one.what}"))
    for day in found.pruned:
        why = f": {day.reason}" if day.reason else ""
        output.line(clean(f"  - {day.count} {day.kind} {day.status}{why}"))
    rows = [words.occurrence_row(call, one) for one in (found.occurrence, *found.related) if one is not None]
    if rows:
        output.line()
        output.table(words.OCCURRENCE_COLUMNS, rows, empty="")
    elif found.before or found.after:
        neighbours = {
            "Fire before": times.both(found.before, call.now(), call.zone),
            "Fire after": times.both(found.after, call.now(), call.zone),
        }
        output.facts(neighbours)
