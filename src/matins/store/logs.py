"""Captured output, in pieces: one row for the lines that arrived together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from matins.domain.states import RunId
from matins.store.engine import Tx
from matins.store.tables import job_log


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLine:
    """One line a run printed or logged."""

    number: int
    at: datetime
    stream: str
    level: str | None
    text: str


def append(tx: Tx, pieces: Sequence[tuple[RunId, Sequence[StoredLine]]]) -> None:
    """Add lines to the logs of these runs; a piece that is there already is left alone."""
    tx.dialect.insert_absent(
        tx.connection,
        job_log,
        [
            {
                "run_id": run_id,
                "number": lines[0].number,
                "last_number": lines[-1].number,
                "at": lines[0].at,
                "lines": [
                    [line.number, round((line.at - lines[0].at).total_seconds(), 6), line.stream, line.level, line.text]
                    for line in lines
                ],
            }
            for run_id, lines in pieces
            if lines
        ],
    )


def read(tx: Tx, run_id: RunId, *, after: int = 0, limit: int = 1000) -> list[StoredLine]:
    """Lines of a run numbered above `after`, in order."""
    query = (
        select(job_log.c.at, job_log.c.lines)
        .where(job_log.c.run_id == run_id, job_log.c.last_number > after)
        .order_by(job_log.c.number)
    )
    found: list[StoredLine] = []
    for row in tx.execute(query):
        found += [line for line in _lines(row.at, row.lines) if line.number > after]
        if len(found) >= limit:
            break
    return found[:limit]


def _lines(at: datetime, stored: list[list[object]] | None) -> Iterator[StoredLine]:
    for number, offset, stream, level, text in stored or ():
        yield StoredLine(
            number=int(str(number)),
            at=at + timedelta(seconds=float(str(offset))),
            stream=str(stream),
            level=None if level is None else str(level),
            text=str(text),
        )
