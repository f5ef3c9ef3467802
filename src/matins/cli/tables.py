"""Tables for people: drawn by rich on a terminal, aligned plain text elsewhere, so that a pipe gets whole lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

Row = Sequence[object]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STYLES = {
    "succeeded": "green",
    "healthy": "green",
    "enabled": "green",
    "running": "cyan",
    "pending": "blue",
    "failed": "red",
    "lost": "red",
    "timed_out": "red",
    "down": "red",
    "dead": "red",
    "cancelled": "yellow",
    "interrupted": "yellow",
    "delayed": "yellow",
    "orphaned": "yellow",
    "quarantined": "red",
    "draining": "yellow",
    "skipped": "bright_black",
    "disabled": "bright_black",
    "stopped": "bright_black",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its heading, whether it holds numbers, whether it may be broken over several lines."""

    heading: str
    right: bool = False
    wraps: bool = False


def clean(value: object) -> str:
    """`value` as one line of text that cannot steer a terminal: it may come from a job's output."""
    if value is None:
        return ""
    return _CONTROL.sub(_shown_control, str(value))


def plain_table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Aligned text without colours; nothing is cut."""
    cells = [[clean(value) for value in row] for row in rows]
    headings = [column.heading.upper() for column in columns]
    widths = [max(map(len, each)) for each in zip(headings, *cells, strict=True)]
    return "\n".join(_plain_line(columns, widths, line) for line in (headings, *cells))


def rich_table(columns: Sequence[Column], rows: Sequence[Row]) -> RichTable:
    """The same for a terminal: wrapped to its width, known states coloured."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
        )
    for row in rows:
        table.add_row(*(styled(value) for value in row))
    return table


def styled(value: object) -> Text:
    """`value` for a terminal; never read as markup."""
    from rich.text import Text

    text = clean(value)
    # "failed: ValueError" has the colour of "failed".
    return Text(text, style=_STYLES.get(text.lower().partition(":")[0], ""))


def _plain_line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    padded = (
        cell.rjust(width) if column.right else cell.ljust(width)
        for column, width, cell in zip(columns, widths, cells, strict=True)
    )
    return "  ".join(padded).rstrip()


def _shown_control(match: re.Match[str]) -> str:
    character = match.group()
    if character in "\n\r\t":
        return " "
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
