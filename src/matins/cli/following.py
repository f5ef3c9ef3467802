"""Following what runs: its lines as they arrive, until it has ended. The database is asked again and again."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from matins.admin import occurrences, runs
from matins.admin.records import OccurrenceRecord, RunRecord
from matins.cli import output
from matins.cli.log_lines import LinePrinter
from matins.domain.states import OccurrenceStatus, RunStatus
from matins.store.engine import Store

LOOK_AGAIN_SECONDS = 0.2
PAGE = 1000


@dataclass(slots=True, kw_only=True)
class Follower:
    """Shows lines, each once, in their order."""

    store: Store
    printer: LinePrinter | None
    """None follows in silence."""
    _read_to: dict[int, int] = field(default_factory=dict)

    def run(self, run_id: int) -> RunRecord:
        """Show a run's lines until it has ended; answers with its end."""
        run = runs.get_run(self.store, run_id)
        with output.working(f"Waiting for run {run_id} to start"):
            while run.started_at is None and not RunStatus(run.status).ended:
                run = self._run_later(run_id)
        self.so_far(run)
        while not RunStatus(run.status).ended:
            run = self._run_later(run_id)
            # The run was read before its lines: had it ended then, every line is there now.
            self.so_far(run)
        return run

    def occurrence(self, occurrence_id: int) -> OccurrenceRecord:
        """Show the lines of all its runs until it has ended; answers with its end."""
        record = occurrences.get_occurrence(self.store, occurrence_id)
        with output.working(f"Waiting for occurrence {occurrence_id} to start"):
            while record.started_at is None and not OccurrenceStatus(record.status).ended:
                record = self._occurrence_later(occurrence_id)
        self._all_so_far(record)
        while not OccurrenceStatus(record.status).ended:
            record = self._occurrence_later(occurrence_id)
            self._all_so_far(record)
        return record

    def so_far(self, run: RunRecord) -> None:
        """Show the lines there are now and have not been shown."""
        if self.printer is None:
            return
        while lines := runs.read_logs(self.store, run.id, after=self._read_to.get(run.id, 0), limit=PAGE).lines:
            for line in lines:
                self.printer.show(run, line)
            self._read_to[run.id] = lines[-1].number
        sys.stdout.flush()

    def _all_so_far(self, record: OccurrenceRecord) -> None:
        for run in record.runs:
            if run.started_at is not None:
                self.so_far(run)

    def _run_later(self, run_id: int) -> RunRecord:
        time.sleep(LOOK_AGAIN_SECONDS)
        return runs.get_run(self.store, run_id)

    def _occurrence_later(self, occurrence_id: int) -> OccurrenceRecord:
        time.sleep(LOOK_AGAIN_SECONDS)
        return occurrences.get_occurrence(self.store, occurrence_id)
