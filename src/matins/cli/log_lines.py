"""One line of a run's output as people read it: when, whose where several run, how grave, and the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from matins.admin.records import RunRecord
from matins.cli import output
from matins.cli.invocation import Invocation
from matins.cli.tables import clean
from matins.store.logs import StoredLine

UNMARKED = (None, "INFO")
"""Levels that are not worth a word."""


@dataclass(slots=True, kw_only=True)
class LinePrinter:
    """Prints lines; a new day is announced, so that the lines need only the hour."""

    call: Invocation
    names: bool = False
    """Whether each line says which job it is from."""
    _day: date | None = field(default=None)

    def show(self, run: RunRecord, line: StoredLine) -> None:
        """Print one line."""
        at = line.at.astimezone(self.call.zone)
        if self._day not in (None, at.date()):
            output.line(f"{at:%Y-%m-%d}")
        self._day = at.date()
        whose = f"{clean(run.job)}: " if self.names else ""
        level = "" if line.level in UNMARKED else f"{clean(line.level)} "
        output.log_line(f"{at:%H:%M:%S}", f"{whose}{level}{clean(line.text)}", line.level or line.stream)
