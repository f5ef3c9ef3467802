"""``matins next``: fire times to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated

import typer

from matins.cli import output, times
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import Column
from matins.cli.time_input import named_zone
from matins.domain.triggers import KnownTrigger, cron
from matins.errors import UsageError

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """What is printed; the names are those the API gives a schedule's fields."""

    trigger: str
    trigger_description: str
    timezone: str
    upcoming: tuple[datetime, ...]


def command(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="ID-or-EXPRESSION", help="A schedule, or a quoted cron expression.")],
    count: Annotated[int, typer.Option("-n", min=1, max=_MOST, help="How many.")] = 10,
    tz: Annotated[str | None, typer.Option(metavar="ZONE", help="The expression's zone; UTC if left out.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when on; now if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fire times to come, of a schedule or of any cron expression."""
    call = invocation(context)
    trigger, zone = _trigger_of(call, what, tz)
    # A time that was asked for counts itself; triggers answer with what is strictly later.
    since = call.now() if start is None else call.time(start) - timedelta(microseconds=1)
    fires = tuple(islice(_fires(trigger, since), count))
    if as_json:
        output.json(Upcoming(trigger=what, trigger_description=trigger.describe(), timezone=zone, upcoming=fires))
    else:
        _show(call, trigger, zone, fires)


def _trigger_of(call: Invocation, what: str, tz: str | None) -> tuple[KnownTrigger, str]:
    """The trigger and its zone; an expression has several fields or begins with @, an id neither."""
    if " " in what.strip() or what.startswith("@"):
        zone = tz or "UTC"
        return cron(what, tz=zone), zone
    raise UsageError(
        f"{what!r} is not a cron expression.", remedy="Quote one with five or six fields, such as '*/5 * * * *'."
    )


def _fires(trigger: KnownTrigger, after: datetime) -> Iterator[datetime]:
    fire = trigger.next_after(after)
    while fire is not None:
        yield fire
        fire = trigger.next_after(fire)


def _show(call: Invocation, trigger: KnownTrigger, zone: str, fires: tuple[datetime, ...]) -> None:
    if not fires:
        output.line("never")
        return
    output.note(trigger.describe())
    now = call.now()
    own = [] if zone == "UTC" else [Column(heading=f"In {zone}")]
    columns = [Column(heading="Fires at"), *own, Column(heading="Away")]
    output.table(columns, [_row(call, fire, zone, now) for fire in fires], empty="")


def _row(call: Invocation, fire: datetime, zone: str, now: datetime) -> list[str]:
    own = [] if zone == "UTC" else [f"{fire.astimezone(named_zone(zone)):%Y-%m-%d %H:%M:%S}"]
    return [times.instant(fire, call.zone), *own, times.relative(fire, now)]
