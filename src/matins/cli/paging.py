"""The options of commands that list in pages."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.admin.paging import MOST
from matins.cli import output

LimitOption = Annotated[int, typer.Option("--limit", "-n", metavar="N", help=f"How many, {MOST} at most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", metavar="C", help="Go on where the page before this one ended.")
]
StatusOption = Annotated[
    list[str] | None, typer.Option("--status", metavar="STATUS", help="Only these, such as failed; may be repeated.")
]


def tell_of_more(cursor: str | None) -> None:
    """Say how to get the next page, if there is one; on standard error, for it is no part of the list."""
    if cursor is not None:
        output.note(f"There are more: add --cursor {cursor}")
