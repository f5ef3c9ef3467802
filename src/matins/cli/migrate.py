"""``matins migrate``: the database's schema."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.cli import output
from matins.cli.invocation import invocation
from matins.store.migrate import migrate
from matins.store.schema import schema_state


def command(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 unless it is up to date.")] = False,
) -> int:
    """Bring the database's schema up to date; several may do so at once."""
    call = invocation(context)
    name = call.settings().database.safe_url
    if check:
        # Opened as reading commands do: what is missing, older or newer is their error, with its remedy.
        with call.store():
            output.line(f"{name} is up to date.")
        return 0
    with call.store(any_schema=True) as store:
        with output.working(f"Migrating {name}"):
            changed = migrate(store)
        needed = schema_state(store).needed
    output.line(f"{name} is {'now' if changed else 'already'} at schema {needed}.")
    return 0
