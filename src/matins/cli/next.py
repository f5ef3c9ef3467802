"""``matins next``: fire times to come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import typer

from matins.cli import output, times
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.suggest import unknown
from matins.cli.tables import Column
from matins.cli.time_input import named_zone
from matins.domain.triggers import KnownTrigger, cron, from_data
from matins.errors import ConflictError, FiresExhausted, UsageError

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What fires: a trigger, the zone it is read in, and how much later than planned it fires."""

    trigger: KnownTrigger
    zone: str
    jitter: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """What is printed; the names are those the API gives a schedule's fields."""

    trigger: dict[str, Any]
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
    # A time that was asked for counts itself; triggers answer with what is strictly later.
    since = call.now() if start is None else call.time(start) - timedelta(microseconds=1)
    source = _source(call, what, tz, since)
    fires = tuple(islice(_fires(source, since), count))
    if as_json:
        output.json(
            Upcoming(
                # The stored fires of a user's own trigger are what is listed anyway.
                trigger={key: value for key, value in source.trigger.to_data().items() if key != "fires"},
                trigger_description=source.trigger.describe(),
                timezone=source.zone,
                upcoming=fires,
            )
        )
    else:
        _show(call, source, fires)


def _source(call: Invocation, what: str, tz: str | None, since: datetime) -> Source:
    """What fires; an expression has several fields or begins with @, an id neither."""
    if " " in what.strip() or what.startswith("@"):
        return Source(trigger=cron(what, tz=tz or "UTC"), zone=tz or "UTC")
    if tz is not None:
        raise UsageError("A schedule has a zone of its own.", remedy="Leave out --tz, or give a cron expression.")
    return _of_schedule(call, what, since)


def _of_schedule(call: Invocation, id_: str, since: datetime) -> Source:
    """A schedule as the code declares it; where no code is named, as the database has it.

    The code goes first, so that what was just edited is answered for, and without a database; `show` tells what is in
    force.
    """
    # Imported here: an expression must not pay for it.
    from matins.config import essentials

    return _declared(call, id_, since) if essentials(call.app)[0] else _stored(call, id_)


def _stored(call: Invocation, id_: str) -> Source:
    from matins.admin import definition, lookup

    with call.store() as store:
        row = store.read(lambda tx: lookup.schedule_row(tx, id_))
    meant = definition.read(row.definition)
    if isinstance(meant, str):
        raise ConflictError(f"Schedule {id_!r} has no fire times: {meant}.", remedy="Deploy its code again.")
    zone = definition.timezone(meant.declared.trigger)
    return Source(trigger=meant.trigger, zone=zone, jitter=meant.offset)


def _declared(call: Invocation, id_: str, since: datetime) -> Source:
    from matins.cli.definitions import loaded

    with loaded(call, since) as app:
        known = []
        for definition in app.schedules():
            if definition.id == id_:
                zone = definition.trigger.get("tz", "UTC")
                return Source(trigger=from_data(definition.trigger), zone=zone, jitter=definition.jitter_offset)
            known.append(definition.id)
    raise unknown("schedule", id_, known, listing="matins schedules")


def _fires(source: Source, since: datetime) -> Iterator[datetime]:
    """Every fire after `since`, its jitter included, as far as it is known."""
    base: datetime | None = since - source.jitter
    # What is known of a user's own trigger ends after its stored fires.
    with suppress(FiresExhausted):
        while base is not None:
            base = source.trigger.next_after(base)
            if base is not None:
                yield base + source.jitter


def _show(call: Invocation, source: Source, fires: tuple[datetime, ...]) -> None:
    if not fires:
        output.line("never")
        return
    output.note(source.trigger.describe())
    zone = source.zone
    now = call.now()
    own = [] if zone == "UTC" else [Column(heading=f"In {zone}")]
    columns = [Column(heading="Fires at"), *own, Column(heading="Away")]
    output.table(columns, [_row(call, fire, zone, now) for fire in fires], empty="")


def _row(call: Invocation, fire: datetime, zone: str, now: datetime) -> list[str]:
    own = [] if zone == "UTC" else [f"{fire.astimezone(named_zone(zone)):%Y-%m-%d %H:%M:%S}"]
    return [times.instant(fire, call.zone), *own, times.relative(fire, now)]
