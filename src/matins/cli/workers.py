"""``matins workers``: the daemons."""

from __future__ import annotations

import typer

from matins.admin.records import WorkerRecord
from matins.admin.workers import DaemonStatus, daemon_status
from matins.cli import output, times, words
from matins.cli.invocation import JsonOption, invocation
from matins.cli.presence import is_alive
from matins.cli.tables import Column, Row, clean
from matins.domain.states import WorkerStatus

COLUMNS = (
    Column(heading="Worker", wraps=True),
    Column(heading="State"),
    Column(heading="App", wraps=True),
    Column(heading="Environment"),
    Column(heading="PID", right=True),
    Column(heading="Up for", right=True),
    Column(heading="Heartbeat"),
    Column(heading="Runs", right=True),
)


def command(context: typer.Context, as_json: JsonOption = False) -> None:
    """The daemons that run, and those that ended within a day."""
    call = invocation(context)
    with call.store() as store:
        status = daemon_status(store)
    if as_json:
        output.json(status)
        return
    output.table(COLUMNS, [_row(one, status) for one in status.workers], empty="No daemon has run within a day.")
    if status.paused:
        since = words.since(status.paused_at, status.paused_by, status.paused_reason, call)
        output.note(clean(f"The installation is paused, {since}."))


def _row(one: WorkerRecord, status: DaemonStatus) -> Row:
    running = f"{one.running}/{one.concurrency}" if is_alive(one, status) else words.NONE
    beat = f"{times.duration(one.heartbeat_age_seconds)} ago"
    uptime = times.duration(one.uptime_seconds)
    return [one.id, _state(one, status), one.app, one.environment, one.pid, uptime, beat, running]


def _state(one: WorkerRecord, status: DaemonStatus) -> str:
    if one.status != WorkerStatus.RUNNING:
        return one.status.lower()
    if not is_alive(one, status):
        return "silent"
    return "draining" if one.draining else "running"
