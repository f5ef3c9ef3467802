"""Turns a supervisor's frames into events, cleaned so that storing one can never be what fails."""

from __future__ import annotations

import json
from typing import Any

from matins.domain.states import RunStatus
from matins.execution.frames import ToDaemon
from matins.execution.outcome import clean
from matins.execution.port import (
    Begun,
    Ended,
    Event,
    LogLine,
    Output,
    Progress,
    Returned,
    RunError,
    SlotFault,
)

_STATUS = {status.value: status for status in RunStatus}
_STOPPED = (RunStatus.CANCELLED, RunStatus.INTERRUPTED)
_STOP_ERRORS = ("matins.execution.context.Cancelled", "asyncio.exceptions.CancelledError")


def read_event(kind: int, payload: bytes, slot: int) -> Event | None:
    """The event a frame reports; None for a kind this version does not know."""
    if kind == ToDaemon.ENDED:
        return _ended(payload)
    what = json.loads(payload)
    if kind == ToDaemon.BEGUN:
        return Begun(run_id=what[0], at=what[1])
    if kind == ToDaemon.RETURNED:
        return Returned(run_id=what[1], reason=what[2])
    if kind == ToDaemon.OUTPUT:
        return Output(run_id=what[0], lines=_lines(what[1]))
    if kind == ToDaemon.PROGRESS:
        return Progress(run_id=what[0], fraction=what[1], message=clean(what[2]))
    if kind == ToDaemon.FAULT:
        return SlotFault(slot=slot, message=clean(what))
    return None


def _ended(payload: bytes) -> Ended:
    head, _, body = payload.partition(b"\n")
    _, run_id, word, began_at, ended_at, exit_text, fault, lines, notes = json.loads(head)
    status = _STATUS[word]
    result: Any = None
    error = None if fault is None else _error(fault)
    if body:
        answer, more = _answer(body)
        notes += more
        if status is RunStatus.SUCCEEDED:
            result = answer
        elif answer is not None:
            error = _joined(status, error, answer)
    return Ended(
        run_id=run_id,
        status=status,
        began_at=began_at,
        ended_at=ended_at,
        error=error,
        exit=exit_text,
        result=result,
        lines=_lines(lines) if lines else (),
        notes=tuple(map(clean, notes)) if notes else (),
    )


def _answer(body: bytes) -> tuple[Any, list[str]]:
    """What the interpreter answered, and its notes. It shared a process with the user's code: be wary."""
    try:
        value, notes = json.loads(body)
        if b"\\u0000" in body or b"\\ud" in body:
            value = _cleaned(value)
        return value, [str(note) for note in notes]
    except (ValueError, TypeError, RecursionError) as fault:
        return None, [f"what the job answered cannot be read: {fault}"]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


def _joined(status: RunStatus, fault: RunError | None, answer: Any) -> RunError | None:
    """The supervisor's word on why a run was stopped, with the interpreter's on where it stood."""
    if not isinstance(answer, list) or len(answer) != 3:
        return fault
    told = _error(answer)
    if fault is not None:
        return RunError(type=fault.type, message=fault.message, traceback=told.traceback)
    if status in _STOPPED and told.type in _STOP_ERRORS:
        return None
    return told


def _error(described: list[Any]) -> RunError:
    kind, message, traceback = (clean(str(part)) for part in described)
    return RunError(type=kind, message=message, traceback=traceback)


def _lines(lines: list[list[Any]]) -> tuple[LogLine, ...]:
    return tuple(
        LogLine(number=n, at=at, stream=stream, text=text, level=level) for n, at, stream, text, level in lines
    )
