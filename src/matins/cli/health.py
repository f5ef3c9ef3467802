"""``matins health``: for people and for whatever restarts or alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from matins.admin.health import MAX_AGE_SECONDS, Health, Problem, health
from matins.cli import output, times
from matins.cli.invocation import Invocation, JsonOption, invocation
from matins.cli.presence import is_alive
from matins.cli.tables import clean
from matins.errors import StoreError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What is printed for programs where the database cannot be asked."""

    problems: tuple[Problem, ...]
    healthy: bool = False


def command(
    context: typer.Context,
    max_age: Annotated[
        float, typer.Option("--max-age", metavar="SECONDS", help="How old the last heartbeat may be.")
    ] = MAX_AGE_SECONDS,
    as_json: JsonOption = False,
) -> int:
    """Exit 0 if schedules run on time, 1 if not, and say what is wrong.

    Wrong are: no daemon, a heartbeat that is too old, a schedule later than it may be, and scheduling that is stuck.
    """
    if not max_age >= 0:
        raise UsageError(f"--max-age {max_age:g} is not a number of seconds.", remedy="Leave it out for 300.")
    found = _look(invocation(context), max_age)
    if as_json:
        output.json(found)
    else:
        _show(found)
    return 0 if found.healthy else 1


def _look(call: Invocation, max_age: float) -> Health | Unknown:
    try:
        with call.store() as store:
            return health(store, max_age)
    except StoreError as error:
        problem = Problem(code=error.code, what=error.message, remedy=error.remedy or "")
        return Unknown(problems=(problem,))


def _show(found: Health | Unknown) -> None:
    for problem in found.problems:
        output.line(clean(f"unhealthy: {problem.what} {problem.remedy}".rstrip()))
    if not isinstance(found, Health):
        return
    if found.healthy:
        alive = [one for one in found.daemon.workers if is_alive(one, found.daemon)]
        age = min((one.heartbeat_age_seconds for one in alive), default=0.0)
        daemons = "1 daemon runs" if len(alive) == 1 else f"{len(alive)} daemons run"
        output.line(f"healthy: {daemons}, the last heartbeat was {times.duration(age)} ago.")
    if found.daemon.paused:
        output.note("The installation is paused: nothing new starts until `matins resume`.")
