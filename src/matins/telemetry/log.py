"""The only place that words events for the log: a level, a sentence, and the event's fields beside it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, TextIO, cast

import structlog

from matins.telemetry import events as e
from matins.telemetry.log_stream import LogStream

_INFO, _WARNING, _ERROR, _DEBUG = logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG

_WORDS: dict[type[e.Event], tuple[int, str]] = {
    e.DaemonStarting: (_INFO, "Starting schedule daemon ({environment} mode)"),
    e.DaemonDisabled: (_INFO, "Schedule daemon is switched off by {setting}"),
    e.WorkerRegistered: (_INFO, "Schedule daemon registered"),
    e.DefinitionsSynced: (_INFO, "Definitions synchronised"),
    e.ReloadFailed: (_ERROR, "Definitions could not be loaded again; those known before stay in force"),
    e.StalledLocksReleased: (_INFO, "Stalled locks released"),
    e.DaemonStarted: (_INFO, "Schedule daemon started"),
    e.PollingStarted: (_INFO, "Polling every {seconds:g}s"),
    e.FiresPlanned: (_INFO, "Planned {schedule}"),
    e.BatchPlanned: (_INFO, "Planned {schedules} schedules"),
    e.ScheduleRepaired: (_WARNING, "Repaired the next run of {schedule}"),
    e.ScheduleQuarantined: (_ERROR, "Quarantined {schedule}"),
    e.SchedulesSetAside: (_WARNING, "Schedules no longer in the code were set aside"),
    e.RunBegan: (_DEBUG, "Began {job}"),
    e.RunEnded: (_INFO, "{job} {status}"),
    e.BatchRecorded: (_INFO, "Recorded {runs} runs"),
    e.RetryPlanned: (_INFO, "{job} will be tried again"),
    e.OccurrenceEnded: (_INFO, "{schedule} {status}"),
    e.FinishCameLate: (_WARNING, "A finish came late and changed nothing"),
    e.FinishUnstorable: (_ERROR, "An outcome could not be stored"),
    e.SlotTroubled: (_ERROR, "A slot is in trouble"),
    e.WorkerDied: (_WARNING, "Worker {worker} is dead"),
    e.LeaseLapsed: (_ERROR, "The lease could not be renewed in time; running jobs were stopped"),
    e.DeclaredDead: (_ERROR, "Declared dead by others; going on under a new identity"),
    e.ServiceFailed: (_WARNING, "The {service} met trouble and tries again"),
    e.ServiceRecovered: (_INFO, "The {service} works again"),
    e.PauseChanged: (_WARNING, "The installation's pause changed"),
    e.DrainRequested: (_INFO, "Draining: nothing new starts here"),
    e.HistoryPruned: (_INFO, "Old history pruned"),
    e.StopRequested: (_INFO, "Stopping on {signal}: nothing new starts"),
    e.FirstCheckDone: (_INFO, "First check done"),
    e.PlanningStopped: (_INFO, "Planning stopped"),
    e.Drained: (_INFO, "Drained"),
    e.LeaseReleased: (_INFO, "Lease released: the worker's row says {status}"),
    e.StopHurried: (_WARNING, "Stopping at once on a second {signal}"),
    e.DaemonStopped: (_INFO, "Schedule daemon stopped"),
}

_BAD_STATUSES = frozenset({"failed", "timed_out", "lost"})


def log_listener(log: structlog.typing.FilteringBoundLogger) -> e.Listener:
    """A listener that writes every event to the log."""

    def listen(event: e.Event) -> None:
        level, sentence = _WORDS[type(event)]
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        if values.get("status") in _BAD_STATUSES:
            level = max(level, _WARNING)
        log.log(level, sentence.format(**values), **_shown(values))

    return listen


def make_logger(style: str, stream: TextIO | None = None, level: int = _INFO) -> structlog.typing.FilteringBoundLogger:
    """A logger that writes lines for people (``console``) or JSON objects (``json``); a closed stream is survived."""
    target = stream or sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - there is no stderr: nobody reads the log
    renderer: Callable[..., Any] = (
        structlog.processors.JSONRenderer(default=str)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=target.isatty())
    )
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(_direct(target)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger


def _direct(target: TextIO) -> TextIO:
    """The stream without its buffer and its waits, where there is a descriptor behind it."""
    try:
        return cast(TextIO, LogStream(target))
    except OSError:
        return target


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value not in (None, (), "")
    }
