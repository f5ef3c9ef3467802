"""``matins check``: everything that is wrong with settings and definitions, at once."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from matins import config
from matins.cli import output
from matins.cli.definitions import loaded
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import clean
from matins.errors import AppLoadError, ConfigError, DefinitionError, Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much the app declares."""

    jobs: int
    schedules: int
    applying: int
    """How many of the schedules apply in this environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found; no counts when the app could not be loaded."""

    ok: bool
    app: str | None
    environment: str
    declared: Counts | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def command(context: typer.Context, as_json: JsonOption = False) -> None:
    """Validate the app's definitions and the settings; tell all faults at once and exit 1 if there are any."""
    report = _examine(invocation(context))
    if as_json:
        output.json(report)
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def _examine(call: Invocation) -> Report:
    # The app is loaded although settings are at fault, so that one run tells everything.
    faults, warnings = _settings(call)
    app, environment = config.essentials(call.app)
    declared, wrong = (None, []) if app is None else _definitions(call, app, environment)
    faults = [*faults, *wrong]
    return Report(
        ok=not faults,
        app=app,
        environment=environment,
        declared=declared,
        faults=tuple(faults),
        warnings=tuple(warnings),
    )


def _settings(call: Invocation) -> tuple[list[Fault], list[Fault]]:
    """Faults and warnings of the settings."""
    warnings = config.mistyped()
    try:
        settings = call.settings(config.Purpose.CHECK)
    except ConfigError as error:
        return error.faults, warnings
    return [], warnings + settings.warnings()


def _definitions(call: Invocation, app: str, environment: str) -> tuple[Counts | None, list[Fault]]:
    """What the app declares, or what is wrong there."""
    try:
        with loaded(call) as found:
            applying = sum(schedule.applies_in(environment) for schedule in found.schedules())
            return Counts(jobs=len(found.jobs), schedules=found.count, applying=applying), []
    except DefinitionError as error:
        return None, error.faults
    except AppLoadError as error:
        return None, [Fault(where=app, what=error.message, remedy=error.remedy or "")]


def _show(report: Report) -> None:
    for fault in report.faults:
        output.line(f"fault    {clean(fault)}")
    for warning in report.warnings:
        output.line(f"warning  {clean(warning)}")
    if report.ok and report.declared is not None:
        declared = report.declared
        output.line(
            f"{report.app} is in order. Jobs: {declared.jobs}. "
            f"Schedules: {declared.schedules}, of which {declared.applying} for {report.environment}."
        )
