"""``matins plan``: what a deploy of this code would change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from matins.admin.deploy_plan import ChangedSchedule, DeployPlan, deploy_plan
from matins.cli import output
from matins.cli.definitions import loaded
from matins.cli.invocation import JsonOption, invocation
from matins.cli.json_form import to_json
from matins.cli.tables import clean


def command(context: typer.Context, as_json: JsonOption = False) -> None:
    """What a deploy of this code would change in the database; it changes nothing itself."""
    call = invocation(context)
    with call.store() as store, loaded(call) as app, output.working("Comparing with the database"):
        found = deploy_plan(store, app)
    if as_json:
        output.json(found)
        return
    for line in _told(found):
        output.line(clean(line) if line else "")


def _told(plan: DeployPlan) -> Iterator[str]:
    if plan.empty:
        yield f"Nothing would change: {plan.unchanged} schedules are as the code declares them."
        return
    for added in plan.added:
        arrives = "arrives enabled" if added.enabled else "arrives disabled"
        yield f"+ {added.id}  {added.trigger_description}, runs {', '.join(added.jobs)}; {arrives}"
    for changed in plan.changed:
        yield from _changes(changed, "~", "")
    for back in plan.returned:
        yield from _changes(back, "^", " is in the code again")
    for removed in plan.removed:
        yield f"- {removed.id}  is kept with its history as orphaned, and not run{_was(removed.enabled)}"
    for sign, jobs in (("+", plan.jobs_added), ("-", plan.jobs_removed)):
        if jobs:
            yield f"{sign} jobs: {', '.join(jobs)}"
    yield _summary(plan)


def _changes(one: ChangedSchedule, sign: str, what: str) -> Iterator[str]:
    state = "enabled" if one.enabled else "disabled"
    replans = "; its fire times change from then on, none in the past is made up for" if one.replans else ""
    yield f"{sign} {one.id}{what} ({state}{replans})"
    for change in one.changes:
        yield f"    {change.field}: {_value(change.before)} -> {_value(change.after)}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value else " ".join(to_json(value).split())


def _was(enabled: bool) -> str:
    return " (it is enabled now)" if enabled else ""


def _summary(plan: DeployPlan) -> str:
    counts = {
        "new": plan.added,
        "changed": plan.changed,
        "back": plan.returned,
        "removed": plan.removed,
    }
    parts = [f"{len(each)} {name}" for name, each in counts.items() if each]
    return f"Schedules: {', '.join([*parts, f'{plan.unchanged} unchanged'])}."
