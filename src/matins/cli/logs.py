"""``matins logs``: what a run printed and logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from matins.admin import runs
from matins.admin.records import RunRecord
from matins.cli import output, times, words
from matins.cli.following import PAGE, Follower
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.log_lines import LinePrinter
from matins.cli.numbers import RunArgument
from matins.cli.tables import clean
from matins.domain.states import RunStatus
from matins.store.engine import Store
from matins.store.logs import StoredLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """What is printed for programs: the run, whole, and every line there is."""

    run: RunRecord
    lines: tuple[StoredLine, ...]


def command(
    context: typer.Context,
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a run printed and logged, and the error it ended with."""
    call = invocation(context)
    with call.store() as store:
        record = runs.get_run(store, run)
        if as_json:
            output.json(_everything(store, run, follow))
            return
        output.note(clean(_about(call, record)))
        follower = Follower(store=store, printer=LinePrinter(call=call))
        if follow:
            record = follower.run(run)
        else:
            follower.so_far(record)
    _tell_the_end(record)


def _everything(store: Store, run_id: int, follow: bool) -> Logs:
    if follow:
        Follower(store=store, printer=None).run(run_id)
    page = runs.read_logs(store, run_id, limit=PAGE)
    lines = list(page.lines)
    while page.lines:
        page = runs.read_logs(store, run_id, after=page.last_number, limit=PAGE)
        lines += page.lines
    return Logs(run=page.run, lines=tuple(lines))


def _about(call: Invocation, run: RunRecord) -> str:
    """What is looked at."""
    of = f" of {run.schedule_id}" if run.schedule_id else ""
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    started = f", started {times.both(run.started_at, call.now(), call.zone)}" if run.started_at else ""
    return f"Run {run.id}: {run.job}{of}{attempt}{started}"


def _tell_the_end(run: RunRecord) -> None:
    for line in (run.error.traceback or "").splitlines() if run.error else ():
        output.line(clean(line))
    progress = "" if run.progress is None else f", {run.progress:.0%} {run.progress_message or ''}".rstrip()
    output.note(clean(f"{words.ended(run)}{'' if RunStatus(run.status).ended else progress}"))
