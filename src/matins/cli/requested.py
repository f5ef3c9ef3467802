"""What the verbs that make something run have in common: their arguments, and telling what became of it."""

from __future__ import annotations

import json
from typing import Any

from matins.admin.records import OccurrenceRecord
from matins.cli import output, words
from matins.cli.following import Follower
from matins.cli.invocation import Invocation
from matins.cli.log_lines import LinePrinter
from matins.cli.presence import tell_if_nothing_starts
from matins.cli.tables import clean
from matins.domain.states import OccurrenceStatus
from matins.errors import UsageError
from matins.store.engine import Store


def parse_args(text: str | None) -> dict[str, Any] | None:
    """The value of --args.

    Raises:
        UsageError: it is not a JSON object.
    """
    if text is None:
        return None
    remedy = """Write an object: --args '{"day": "2026-11-24"}'."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--args {_short(text)} is not JSON: {error}.", remedy=remedy) from None
    if not isinstance(found, dict):
        raise UsageError(f"--args {_short(text)} is not an object.", remedy=remedy)
    return found


def tell(
    call: Invocation, store: Store, record: OccurrenceRecord, *, verb: str, wait: bool, as_json: bool, app: str | None
) -> int:
    """Say what was recorded, follow it if that is wanted, and answer with the exit code: 1 if it does not run or fails."""
    if record.status == OccurrenceStatus.SKIPPED:
        _show(record, as_json, f"Occurrence {record.id} was not started: {words.outcome(record)}.")
        return 1
    if wait:
        return _follow(call, store, record, verb=verb, as_json=as_json, app=app)
    waits = "" if record.admitted_at else " It waits for an earlier one to end."
    _show(record, as_json, f"{verb}: occurrence {record.id}.{waits}")
    tell_if_nothing_starts(store, app)
    return 0


def _follow(
    call: Invocation, store: Store, record: OccurrenceRecord, *, verb: str, as_json: bool, app: str | None
) -> int:
    output.note(f"{verb}: occurrence {record.id}.")
    tell_if_nothing_starts(store, app)
    printer = None if as_json else LinePrinter(call=call, names=len(record.jobs) > 1)
    ended = Follower(store=store, printer=printer).occurrence(record.id)
    _show(ended, as_json, f"Occurrence {ended.id} {words.ended(ended)}.")
    return 0 if ended.status == OccurrenceStatus.SUCCEEDED else 1


def _show(record: OccurrenceRecord, as_json: bool, sentence: str) -> None:
    if as_json:
        output.json(record)
    else:
        output.line(clean(sentence))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
