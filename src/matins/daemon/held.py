"""The runs this daemon holds: what was claimed, what has begun, and what is yet to be recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from matins.domain.states import RunId
from matins.execution import port
from matins.execution.port import Ended, LogLine, RunError, RunOrder
from matins.ledger.claims import ClaimedRun
from matins.ledger.runs import Jobs, job_of
from matins.ledger.settle import Finish
from matins.store.logs import StoredLine
from matins.telemetry.events import EventBus, RunBegan, SlotTroubled

ToInstant = Callable[[float], datetime]
"""From a boot-time reading to the database's clock."""


@dataclass(slots=True, kw_only=True)
class HeldRun:
    """A run between its claim and the record of its end."""

    claim: ClaimedRun
    stop_asked: bool = False


@dataclass(slots=True)
class Outbox:
    """What the next transaction has to write. Kept until it was written."""

    finishes: dict[RunId, Finish] = field(default_factory=dict)
    returns: dict[RunId, str] = field(default_factory=dict)
    lines: list[tuple[RunId, list[StoredLine]]] = field(default_factory=list)
    progress: dict[RunId, tuple[float | None, str]] = field(default_factory=dict)

    def pieces(self) -> list[Outbox]:
        """The same in pieces that can be written one by one."""
        pieces = [Outbox(finishes={id_: finish}) for id_, finish in self.finishes.items()]
        pieces += [Outbox(lines=[piece]) for piece in self.lines]
        return [*pieces, Outbox(returns=dict(self.returns)), Outbox(progress=dict(self.progress))]

    def forget(self, piece: Outbox) -> None:
        """This piece is written."""
        for id_ in piece.finishes:
            del self.finishes[id_]
        for id_ in piece.returns:
            del self.returns[id_]
        for id_ in piece.progress:
            del self.progress[id_]
        self.lines = [one for one in self.lines if one not in piece.lines]

    def __bool__(self) -> bool:
        return bool(self.finishes or self.returns or self.lines or self.progress)


class Holdings:
    """What this daemon holds and what it has to write of it; used by the dispatcher's thread alone."""

    def __init__(self, to_instant: ToInstant, bus: EventBus) -> None:
        self._to_instant = to_instant
        self._bus = bus
        self.runs: dict[RunId, HeldRun] = {}
        self.outbox = Outbox()

    def take(self, claims: Iterable[ClaimedRun]) -> None:
        """Hold these runs from now on."""
        for claim in claims:
            self.runs[claim.id] = HeldRun(claim=claim)

    def release(self, ids: Iterable[RunId]) -> None:
        """These are recorded, or others' now."""
        for run_id in ids:
            self.runs.pop(run_id, None)

    def note(self, event: port.Event) -> None:
        """Take in what the executor reported."""
        if isinstance(event, port.SlotFault):
            self._bus.emit(SlotTroubled(slot=event.slot, message=event.message))
            return
        held = self.runs.get(RunId(event.run_id))
        if held is None:
            return
        claim = held.claim
        match event:
            case port.Begun():
                self._bus.emit(RunBegan(run=claim.id, job=claim.job, schedule=claim.schedule_id, attempt=claim.attempt))
            case port.Ended():
                self.outbox.finishes[claim.id] = finish_of(claim, event, self._to_instant)
                self.outbox.progress.pop(claim.id, None)
                self._keep_lines(claim.id, event.lines)
            case port.Returned():
                self.outbox.returns[claim.id] = claim.claim_token
            case port.Output():
                self._keep_lines(claim.id, event.lines)
            case port.Progress():
                self.outbox.progress[claim.id] = (event.fraction, event.message)

    def _keep_lines(self, run_id: RunId, lines: tuple[port.LogLine, ...]) -> None:
        if lines:
            self.outbox.lines.append((run_id, stored_lines(lines, self._to_instant)))


def order_for(claim: ClaimedRun, jobs: Jobs, *, default_timeout: float, now: datetime) -> RunOrder:
    """The executor's order for a claimed run."""
    job = job_of(jobs, claim.job)
    timeout = default_timeout if job.timeout_seconds is None else job.timeout_seconds
    if claim.deadline is not None:
        timeout = max(0.001, min(timeout, (claim.deadline - now).total_seconds()))
    return RunOrder(
        run_id=claim.id, claim_token=claim.claim_token, job=job, context=_context(claim), timeout_seconds=timeout
    )


def finish_of(claim: ClaimedRun, ended: Ended, to_instant: ToInstant) -> Finish:
    """What to record of a run's end."""
    error = ended.error or RunError(type="", message="")
    return Finish(
        run_id=claim.id,
        occurrence_id=claim.occurrence_id,
        schedule_id=claim.schedule_id,
        claim_token=claim.claim_token,
        job=claim.job,
        attempt=claim.attempt,
        status=ended.status,
        started_at=to_instant(ended.began_at),
        finished_at=to_instant(ended.ended_at),
        error_type=error.type[:200] or None,
        error_message=error.message or None,
        error_traceback=error.traceback or None,
        exit=ended.exit,
        result=ended.result,
        notes=ended.notes,
    )


def stored_lines(lines: tuple[LogLine, ...], to_instant: ToInstant) -> list[StoredLine]:
    """Captured lines as they are kept."""
    return [
        StoredLine(number=line.number, at=to_instant(line.at), stream=line.stream, level=line.level, text=line.text)
        for line in lines
    ]


def _context(claim: ClaimedRun) -> dict[str, Any]:
    return {
        "schedule_id": claim.schedule_id,
        "occurrence_id": claim.occurrence_id,
        "run_id": claim.id,
        "job": claim.job,
        "fire_at": claim.fire_at.isoformat(),
        "kind": claim.kind.value,
        "is_catch_up": claim.kind.value == "catch_up",
        "attempt": claim.attempt,
        "fence": claim.id,
        "args": claim.args,
        "last_success_at": None if claim.last_success_at is None else claim.last_success_at.isoformat(),
    }
