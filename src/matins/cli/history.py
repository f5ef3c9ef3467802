"""``matins history``: a schedule's ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin import occurrences
from matins.cli import output, words
from matins.cli.invocation import JsonOption, invocation
from matins.cli.paging import CursorOption, LimitOption, StatusOption, tell_of_more


def command(
    context: typer.Context,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule.")],
    status: StatusOption = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
) -> None:
    """A schedule's ledger, the latest fire first: what ran, what did not, and why."""
    call = invocation(context)
    with call.store() as store:
        page = occurrences.history(store, schedule_id, limit=limit, cursor=cursor, statuses=status or ())
    if as_json:
        output.json(page)
        return
    rows = [words.occurrence_row(call, one) for one in page.occurrences]
    output.table(words.OCCURRENCE_COLUMNS, rows, empty=f"Nothing{' of that' if status or cursor else ''} yet.")
    tell_of_more(page.next_cursor)
