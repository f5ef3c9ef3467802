"""``matins show``: one schedule with all there is to know of it."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import schedules
from matins.admin.records import ScheduleDetail
from matins.cli import output, times, words
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.json_form import to_json
from matins.cli.tables import Column
from matins.cli.time_input import named_zone


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule.")],
    as_json: JsonOption = False,
) -> None:
    """One schedule: its definition and state, its next ten fires and its last runs."""
    call = invocation(context)
    with call.store() as store:
        found = schedules.get_schedule(store, schedule_id, environment=call.environment)
    if as_json:
        output.json(found)
        return
    output.facts({**_what(found), **_state(call, found), **_policies(found)})
    _show_fires(call, found)
    output.heading("Last runs")
    rows = [words.occurrence_row(call, one) for one in found.recent]
    output.table(words.OCCURRENCE_COLUMNS, rows, empty="None yet.")


def _what(one: ScheduleDetail) -> dict[str, object]:
    return {
        "Schedule": one.id if one.name in ("", one.id) else f"{one.id} ({one.name})",
        "Description": one.description,
        "When": _when(one),
        "Jobs": ", ".join(one.jobs),
        "Arguments": " ".join(to_json(one.args).split()) if one.args else None,
        "Environments": ", ".join(one.environments) or "all",
        "Declared": f"{one.defined_at} in {one.app}",
    }


def _when(one: ScheduleDetail) -> str:
    """The trigger as it is written and in words, where those differ."""
    written = words.when(one)
    same = written.casefold() == one.trigger_description.casefold()
    return one.trigger_description if same else f"{written}: {one.trigger_description}"


def _state(call: Invocation, one: ScheduleDetail) -> dict[str, object]:
    now, zone = call.now(), call.zone
    since = words.since(one.enabled_changed_at, one.enabled_changed_by, one.enabled_reason, call)
    switched = "enabled" if one.enabled else "disabled"
    return {
        "State": f"{switched}, {since}" if since else switched,
        "Orphaned": f"no running code declares it, {words.by_far(one.removed_at, call)}" if one.orphaned else None,
        "Quarantined": f"{one.quarantine_reason}, {words.by_far(one.quarantined_at, call)}"
        if one.quarantined
        else None,
        "Next run": _next_run(call, one),
        "Running": f"{one.locked_by}, since {times.both(one.locked_at, now, zone)}" if one.locked_at else None,
        "Last run": f"{one.last_status}, {times.both(one.last_run_at, now, zone)}" if one.last_run_at else "none",
        "Last success": times.both(one.last_success_at, now, zone) if one.last_status != "succeeded" else None,
        "Counts": f"{one.run_count} succeeded, {one.failure_count} failed",
    }


def _next_run(call: Invocation, one: ScheduleDetail) -> str:
    if not one.applies:
        return f"not in {call.environment}"
    return times.both(one.next_run_at, call.now(), call.zone) or "none by itself"


def _policies(one: ScheduleDetail) -> dict[str, object]:
    jitter = f"up to {_span(one.jitter_seconds)}, here {_span(one.jitter_offset_seconds)}"
    return {
        "If missed": f"{one.missed_policy}, after {_span(one.grace_seconds)} of grace",
        "If running": one.overlap_policy,
        "Start within": _span(one.start_within_seconds),
        "Time limit": _span(one.timeout_seconds),
        "Jitter": jitter if one.jitter_seconds else None,
        "Side by side": one.parallel if one.parallel > 1 else None,
        "On failure": "the jobs after it are left out" if one.stop_on_failure else None,
    }


def _span(seconds: float | None) -> str:
    return times.duration(seconds)


def _show_fires(call: Invocation, one: ScheduleDetail) -> None:
    output.heading("Next fires" if one.enabled else "Next fires, were it enabled")
    elsewhere = one.timezone != "UTC"
    columns = [Column(heading="Fires at"), Column(heading="Away")]
    if elsewhere:
        columns.insert(1, Column(heading=f"In {one.timezone}"))
    rows = []
    for fire in one.upcoming:
        row = [times.instant(fire, call.zone), times.relative(fire, call.now())]
        if elsewhere:
            row.insert(1, f"{fire.astimezone(named_zone(one.timezone)):%Y-%m-%d %H:%M:%S}")
        rows.append(row)
    output.table(columns, rows, empty="None.")
