"""Reads the declaration of a schedule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matins.declaring.jobs import DeclaredJob
from matins.declaring.options import SCHEDULE_OPTIONS
from matins.declaring.place import one_line
from matins.declaring.reader import Reader, name_fault
from matins.declaring.selection import Candidates, Selected, select
from matins.declaring.triggers import FaultyTrigger
from matins.domain.schedule import (
    DEFAULT_BUFFER_LIMIT,
    DEFAULT_CATCH_UP_LIMIT,
    DEFAULT_CATCH_UP_WINDOW,
    DEFAULT_GRACE,
    MAX_ID_LENGTH,
    ScheduleDefinition,
)
from matins.domain.states import MissedPolicy, OverlapPolicy, ScheduleId
from matins.domain.triggers import At, Cron, Every, StoredTrigger, Trigger, store_fires, type_name
from matins.errors import Fault, TriggerError

MAX_NAME_LENGTH = 200
MAX_ENVIRONMENT_LENGTH = 100
MAX_ARGS_BYTES = 65_536
MAX_COUNT = 1_000_000
OURS = (Cron, Every, At, StoredTrigger)

Store = Callable[[Trigger], dict[str, Any]]
"""Turns a user's own trigger into data, or raises TriggerError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSchedule:
    """A schedule as written; read only when definitions are asked for, which interpreters of jobs never do."""

    id: Any
    trigger: Any
    options: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a schedule is read against."""

    candidates: Candidates
    jobs: Mapping[str, DeclaredJob]
    store: Store


def read_schedule(declared: DeclaredSchedule, around: Surroundings) -> tuple[ScheduleDefinition | None, list[Fault]]:
    """The definition, or None where its id or trigger cannot be used, and everything wrong with it."""
    reader = Reader(declared.where, f"schedule {declared.id!r:.80}", declared.options)
    wrong = name_fault(declared.id, MAX_ID_LENGTH)
    if wrong:
        reader.fault(
            f"the id {wrong}.", "Choose a short one; name='…' is for people." if "characters;" in wrong else ""
        )
    reader.only_known(SCHEDULE_OPTIONS)
    trigger = _trigger(reader, declared.trigger, around.store)
    selected = select(reader, declared.options.get("jobs"), around.candidates)
    definition = _definition(reader, declared.id, trigger or {}, selected)
    _check_arguments(reader, definition, around.jobs)
    return (None if wrong or trigger is None else definition), reader.faults


def stored_in_process(since: datetime) -> Store:
    """A `Store` that asks the trigger here and now, for as long as it takes."""

    def store(trigger: Trigger) -> dict[str, Any]:
        try:
            return store_fires(trigger, since).to_data()
        except TriggerError:
            raise
        except Exception as error:
            raise TriggerError(f"{type_name(trigger)} raised {one_line(error)}.") from error

    return store


def _definition(reader: Reader, schedule_id: str, trigger: dict[str, Any], selected: Selected) -> ScheduleDefinition:
    return ScheduleDefinition(
        id=ScheduleId(schedule_id),
        trigger=trigger,
        jobs=selected.names,
        selection=selected.words,
        name=reader.text("name", "", MAX_NAME_LENGTH),
        description=reader.text("description"),
        args=_args(reader),
        environments=tuple(sorted(reader.names("environments", MAX_ENVIRONMENT_LENGTH))),
        missed=reader.choice("missed", MissedPolicy, MissedPolicy.SKIP),
        grace_seconds=reader.seconds("grace", DEFAULT_GRACE),
        catch_up_window_seconds=reader.seconds("catch_up_window", DEFAULT_CATCH_UP_WINDOW),
        catch_up_limit=reader.whole("catch_up_limit", DEFAULT_CATCH_UP_LIMIT, 0, MAX_COUNT),
        start_within_seconds=reader.positive_seconds("start_within", None),
        overlap=reader.choice("overlap", OverlapPolicy, OverlapPolicy.SKIP),
        buffer_limit=reader.whole("buffer_limit", DEFAULT_BUFFER_LIMIT, 1, MAX_COUNT),
        jitter_seconds=reader.seconds("jitter", 0.0),
        timeout_seconds=reader.positive_seconds("timeout", None),
        enabled=reader.flag("enabled"),
        parallel=reader.whole("parallel", 1, 1, 1000),
        stop_on_failure=reader.flag("stop_on_failure"),
        defined_at=reader.where,
    )


def _trigger(reader: Reader, trigger: Any, store: Store) -> dict[str, Any] | None:
    """The trigger as data. Only our own classes themselves are taken at their word: a subclass may answer otherwise."""
    if isinstance(trigger, FaultyTrigger):
        reader.fault(trigger.error.message, trigger.error.remedy or "")
        return None
    if type(trigger) in OURS:
        data: dict[str, Any] = trigger.to_data()
        return data
    if isinstance(trigger, type) or not callable(getattr(trigger, "next_after", None)):
        reader.fault(f"{trigger!r:.80} is not a trigger.", "Write cron('0 2 * * *'), every(minutes=15) or at('…').")
        return None
    try:
        return store(trigger)
    except TriggerError as error:
        reader.fault(f"its trigger {error.message}", error.remedy or "")
        return None


def _args(reader: Reader) -> dict[str, Any]:
    """The arguments, as JSON gives them back."""
    args = reader.options.get("args")
    if args is None:
        return {}
    if not isinstance(args, Mapping) or not all(isinstance(key, str) for key in args):
        reader.fault(f"args {args!r:.80} is not a mapping of names to values.", "Write args={'name': value}.")
        return {}
    try:
        text = json.dumps(dict(args), allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        reader.fault(f"args cannot be written as JSON: {one_line(error)}.", "Give text, numbers, lists and mappings.")
        return {}
    if size > MAX_ARGS_BYTES or "\\u0000" in text:
        wrong = f"take {size} bytes as JSON; at most {MAX_ARGS_BYTES} are allowed"
        reader.fault(f"args {wrong if size > MAX_ARGS_BYTES else 'hold a NUL character, which cannot be stored'}.")
        return {}
    read: dict[str, Any] = json.loads(text)
    return read


def _check_arguments(reader: Reader, definition: ScheduleDefinition, jobs: Mapping[str, DeclaredJob]) -> None:
    """A job that wants an argument nobody gives would fail at every fire."""
    for name in definition.jobs:
        for parameter in sorted(jobs[name].required - definition.args.keys()):
            reader.fault(f"job {name!r} wants the argument {parameter!r}.", "Give it in args, or give it a default.")
