"""Reads the declaration of a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matins.declaring.options import JOB_OPTIONS
from matins.declaring.reader import Reader, name_fault
from matins.declaring.shell import Shell
from matins.domain.durations import parse_duration
from matins.domain.job import DEFAULT_KILL_AFTER, Backoff, Job
from matins.domain.states import Isolation, OnDoubt, OnLost
from matins.errors import Fault

MAX_NAME_LENGTH = 200
MAX_POOL_LENGTH = 100
MAX_TAG_LENGTH = 100
MAX_RETRIES = 1000
PRIORITIES = (-1000, 1000)
CONTEXT = "ctx"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredJob:
    """A job as an interpreter needs it: its definition and, unless it is a shell command, its function."""

    definition: Job
    function: Callable[..., Any] | None
    takes_context: bool
    required: frozenset[str] = frozenset()
    """The parameters that a run's arguments must fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    takes_context: bool = False
    required: frozenset[str] = frozenset()


def read_job(target: Any, where: str, options: Mapping[str, Any]) -> tuple[DeclaredJob | None, list[Fault]]:
    """The declared job, or None where it has no usable name, and everything wrong with it."""
    given = options.get("name")
    name = _own_name(target) if given is None else given
    reader = Reader(where, f"job {name!r:.80}", options)
    wrong = "is missing" if name is None else name_fault(name, MAX_NAME_LENGTH)
    if wrong or not isinstance(name, str):
        reader.subject = f"job {target!r:.80}" if name is None else reader.subject
        reader.fault(f"the name {wrong}.", "Give it name='…'.")
        return None, reader.faults
    reader.only_known(JOB_OPTIONS)
    parameters = _parameters(reader, target)
    declared = DeclaredJob(
        definition=_definition(reader, name, target),
        function=None if isinstance(target, Shell) else target,
        takes_context=parameters.takes_context,
        required=parameters.required,
    )
    return declared, reader.faults


def _definition(reader: Reader, name: str, target: Any) -> Job:
    retries = reader.whole("retries", 0, 0, MAX_RETRIES)
    timeout = reader.positive_seconds("timeout", None)
    return Job(
        name=name,
        tags=reader.names("tags", MAX_TAG_LENGTH),
        description=reader.text("description", _first_line(target)),
        timeout_seconds=timeout,
        soft_timeout_seconds=_soft_timeout(reader, timeout),
        kill_after_seconds=reader.seconds("kill_after", DEFAULT_KILL_AFTER),
        retries=retries,
        backoff=_backoff(reader),
        on_lost=reader.choice("on_lost", OnLost, OnLost.RETRY if retries else OnLost.FAIL),
        on_doubt=reader.choice("on_doubt", OnDoubt, OnDoubt.STOP),
        isolation=reader.choice("isolation", Isolation, Isolation.WARM),
        memory_limit_bytes=reader.bytes("memory_limit"),
        pool=reader.text("pool", "", MAX_POOL_LENGTH) or None,
        priority=reader.whole("priority", 0, *PRIORITIES),
        command=_command(reader, target),
        defined_at=reader.where,
    )


def _own_name(target: Any) -> str | None:
    """The function's own name; None where it has none that says anything."""
    name = getattr(target, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def _first_line(target: Any) -> str:
    """The first line of a function's docstring."""
    text = None if isinstance(target, Shell) else inspect.getdoc(target) if inspect.isroutine(target) else None
    return text.strip().splitlines()[0].replace("\0", "") if text and text.strip() else ""


def _soft_timeout(reader: Reader, timeout: float | None) -> float | None:
    soft = reader.positive_seconds("soft_timeout", None)
    if soft is not None and timeout is not None and soft >= timeout:
        reader.fault(
            f"soft_timeout {reader.options['soft_timeout']!r} is not shorter than timeout {reader.options['timeout']!r}.",
            "It warns the job before the timeout ends it.",
        )
        return None
    return soft


def _backoff(reader: Reader) -> Backoff:
    """A `Backoff`, or the first wait alone, which then doubles."""
    value = reader.options.get("backoff")
    if value is None:
        return Backoff()
    if not isinstance(value, Backoff):
        initial = reader.seconds("backoff", Backoff().initial_seconds)
        return Backoff(initial_seconds=initial, maximum_seconds=max(initial, Backoff().maximum_seconds))
    try:
        parse_duration(value.initial_seconds)
        parse_duration(value.maximum_seconds)
        sound = 1 <= value.factor <= 1000 and 0 <= value.jitter <= 1
    except (ValueError, TypeError):
        sound = False
    if not sound:
        reader.fault(f"backoff {value!r:.200} is not usable.", "Seconds from 0, a factor from 1, a jitter from 0 to 1.")
        return Backoff()
    return value


def _command(reader: Reader, target: Any) -> str | tuple[str, ...] | None:
    if not isinstance(target, Shell):
        return None
    command = target.command
    words = (command,) if isinstance(command, str) else command
    if not isinstance(words, tuple) or not words or not all(isinstance(w, str) and "\0" not in w for w in words):
        reader.fault(f"shell({command!r:.80}) is not a command.", "Write shell('ls -l') or shell(['ls', '-l']).")
    elif not words[0].strip():
        reader.fault("the shell command is empty.", "Write shell('ls -l') or shell(['ls', '-l']).")
    return command


def _parameters(reader: Reader, target: Any) -> _Parameters:
    """What the function wants to be called with, as far as it can be called."""
    if isinstance(target, Shell):
        return _Parameters()
    if not callable(target):
        reader.fault(f"{target!r:.80} is neither a function nor shell(…).")
        return _Parameters()
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        reader.fault(
            "it is a generator function: calling it would run none of its body.", "Return instead of yielding."
        )
    try:
        parameters = inspect.signature(target).parameters.values()
    except (ValueError, TypeError):
        reader.fault("its parameters cannot be read.", "Wrap it in a function of your own.")
        return _Parameters()
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            reader.fault(f"parameter {parameter.name!r} is positional only.", "Arguments are given by keyword.")
    by_keyword = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return _Parameters(
        takes_context=any(p.name == CONTEXT for p in by_keyword),
        required=frozenset(p.name for p in by_keyword if p.default is p.empty and p.name != CONTEXT),
    )
