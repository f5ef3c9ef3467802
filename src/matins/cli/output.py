"""Where a command's words go: tables and facts for people, JSON for programs, faults on standard error.

Rich is imported for a terminal alone: a pipe is faster without it, and wants plain text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from matins.cli.json_form import to_json
from matins.cli.tables import Column, Row, clean, plain_table, rich_table, styled
from matins.errors import Fault, MatinsError

_WEIGHTS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "stderr": "yellow", "DEBUG": "bright_black"}


def is_rich(stream: TextIO) -> bool:
    """Whether `stream` wants colours and drawing: a terminal, and nobody asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def table(columns: Sequence[Column | str], rows: Sequence[Row], *, empty: str) -> None:
    """Print rows; `empty` is the sentence that stands for none, on standard error so that a pipe gets nothing."""
    if not rows:
        note(empty)
        return
    whole = [column if isinstance(column, Column) else Column(heading=column) for column in columns]
    if is_rich(sys.stdout):
        _console(sys.stdout).print(rich_table(whole, rows))
    else:
        line(plain_table(whole, rows))


def facts(pairs: Mapping[str, object]) -> None:
    """Print one thing's properties, a line each; those that are None or empty are left out."""
    shown = {name: value for name, value in pairs.items() if value not in (None, "", (), [])}
    width = max(map(len, shown), default=0)
    rich = is_rich(sys.stdout)
    for name, value in shown.items():
        if rich:
            _console(sys.stdout).print(_fact(name.ljust(width), value), soft_wrap=True)
        else:
            line(f"{name.ljust(width)}  {clean(value)}")


def json(value: Any) -> None:
    """Print `value` for programs."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    line(to_json(value, ascii_only=encoding != "utf8"))


def line(text: str = "") -> None:
    """Print one line of one's own words on standard output."""
    sys.stdout.write(f"{text}\n")


def heading(text: str) -> None:
    """Print a heading of one's own words, set off from what stands above."""
    line()
    if is_rich(sys.stdout):
        _console(sys.stdout).print(text, style="bold")
    else:
        line(text)


def log_line(time: str, text: str, weight: str) -> None:
    """Print a line of a job's output; `weight` is its level, or the stream it came by."""
    if not is_rich(sys.stdout):
        line(f"{time} {text}")
        return
    from rich.text import Text

    shown = Text.assemble((f"{time} ", "bright_black"), (text, _WEIGHTS.get(weight, "")))
    _console(sys.stdout).print(shown, soft_wrap=True)


def graded(grade: str, text: str) -> None:
    """Print a line that begins with how grave it is."""
    if not is_rich(sys.stdout):
        line(f"{grade:7}  {text}")
        return
    from rich.text import Text

    colour = {"ok": "green", "warning": "yellow", "fault": "red"}.get(grade, "")
    _console(sys.stdout).print(Text.assemble((f"{grade:7}  ", colour), text), soft_wrap=True)


def note(text: str) -> None:
    """Tell a person something that is no part of the answer: on standard error."""
    sys.stderr.write(f"{text}\n")


def fault(error: MatinsError) -> None:
    """Print an error as ``matins: what. remedy``; several faults with a line each."""
    faults: Sequence[Fault] = getattr(error, "faults", ())
    if len(faults) > 1:
        note(f"matins: {len(faults)} things are wrong:")
        for each in faults:
            note(f"  {clean(each)}")
        return
    note(f"matins: {clean(error)}")


def progress(text: str) -> None:
    """Tell a person at a terminal what is being done now."""
    if sys.stderr.isatty():
        note(f"{text} …")


@contextmanager
def working(doing: str) -> Iterator[None]:
    """Show on a terminal that something long goes on; elsewhere say nothing."""
    if not is_rich(sys.stderr):
        yield
        return
    with _console(sys.stderr).status(doing):
        yield


def _fact(name: str, value: object) -> Any:
    from rich.text import Text

    return Text.assemble((f"{name}  ", "bold"), styled(value))


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False)
