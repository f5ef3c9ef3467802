"""Enabling and disabling, which differ in one verb: each schedule by itself, so that one wrong id stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matins.admin import switch
from matins.admin.records import ScheduleDetail
from matins.cli import output, times, words
from matins.cli.actor import actor
from matins.cli.invocation import Invocation
from matins.cli.presence import tell_if_nothing_starts
from matins.cli.tables import clean
from matins.errors import ConflictError, NotFoundError


def switch_on(call: Invocation, ids: Sequence[str], reason: str | None) -> int:
    """Enable; answers with the exit code."""
    return _each(call, ids, reason, switch.enable)


def switch_off(call: Invocation, ids: Sequence[str], reason: str | None) -> int:
    """Disable; answers with the exit code."""
    return _each(call, ids, reason, switch.disable)


def _each(call: Invocation, ids: Sequence[str], reason: str | None, verb: Callable[..., ScheduleDetail]) -> int:
    failed = 0
    with call.store() as store:
        for id_ in ids:
            try:
                done = verb(store, actor(call), id_, reason=reason)
            except (NotFoundError, ConflictError) as error:
                output.fault(error)
                failed += 1
            else:
                output.line(_told(call, done))
        if verb is switch.enable and failed < len(ids):
            tell_if_nothing_starts(store)
    return 1 if failed else 0


def _told(call: Invocation, one: ScheduleDetail) -> str:
    where = f" It applies in {' and '.join(one.environments)}." if one.environments else ""
    if not one.enabled:
        return f"{one.id} is disabled."
    following = next(iter(one.upcoming), None)
    run = times.both(following, call.now(), call.zone) if following else "never by itself"
    return clean(f"{one.id} is {words.state(one)}. Next run: {run}.{where}")
