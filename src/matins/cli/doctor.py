"""``matins doctor``: everything that may be wrong, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import typer

from matins.cli import diagnosis, output
from matins.cli.diagnosis import Finding, Grade
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import clean

_WIDTH = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is printed for programs."""

    ok: bool
    checks: tuple[Finding, ...]


def command(context: typer.Context, as_json: JsonOption = False) -> int:
    """Check settings, database, schema, clock, app and programs; exit 1 if anything is at fault."""
    found: list[Finding] = []
    for one in _examined(invocation(context)):
        found.append(one)
        if not as_json:
            _show(one)
    fine = all(one.grade is not Grade.FAULT for one in found)
    if as_json:
        output.json(Report(ok=fine, checks=tuple(found)))
    return 0 if fine else 1


def _examined(call: Invocation) -> Iterator[Finding]:
    settings, findings = diagnosis.examine_settings(call)
    yield from findings
    if settings is None:
        yield diagnosis.unexamined("database")
    else:
        yield from diagnosis.examine_database(call, settings)
    findings, jobs = diagnosis.examine_app(call)
    yield from findings
    yield from diagnosis.examine_executables(jobs)
    yield diagnosis.examine_zones()
    if settings is not None:
        yield diagnosis.examine_broker(settings)


def _show(one: Finding) -> None:
    output.graded(one.grade, f"{one.check:{_WIDTH}}  {clean(one.what)}")
    if one.remedy:
        output.line(f"{'':{_WIDTH + 11}}{clean(one.remedy)}")
