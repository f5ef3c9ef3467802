"""``matins jobs``: what there is to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from matins.admin import jobs
from matins.admin.records import JobRecord
from matins.cli import output, times, words
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.tables import Column, Row

COLUMNS = (
    Column(heading="Job", wraps=True),
    Column(heading="Tags", wraps=True),
    Column(heading="Schedules", wraps=True),
    Column(heading="Timeout"),
    Column(heading="Retries", right=True),
    Column(heading="Last run"),
    Column(heading="Outcome"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What is printed for programs."""

    jobs: tuple[JobRecord, ...]


def command(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only those with this tag.")] = None,
    as_json: JsonOption = False,
) -> None:
    """All jobs, the schedules that use them, and how they went last."""
    call = invocation(context)
    with call.store() as store:
        found = jobs.list_jobs(store, tag=tag)
    if as_json:
        output.json(Listed(jobs=found))
        return
    none = "No job has this tag." if tag else "There are no jobs yet: `matins up` or `matins daemon` brings them in."
    output.table(COLUMNS, [_row(call, one) for one in found], empty=none)


def _row(call: Invocation, one: JobRecord) -> Row:
    last = one.last_run
    return [
        one.name,
        ", ".join(one.tags) or words.NONE,
        ", ".join(one.schedules) or words.NONE,
        times.duration(one.timeout_seconds) or words.NONE,
        one.retries,
        words.by_far(None if last is None else last.started_at or last.created_at, call),
        words.NONE if last is None else last.status,
    ]
