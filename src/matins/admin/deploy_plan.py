"""What synchronising this code would change against the database. A pure comparison: it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from matins.admin import definition
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.errors import DefinitionError, Fault
from matins.store import views
from matins.store.engine import Store

_NOT_COMPARED = ("id", "defined_at", "enabled")


class Declared(Protocol):
    """An application's definitions as data."""

    @property
    def app(self) -> str: ...

    @property
    def jobs(self) -> Mapping[str, Job]: ...

    def schedules(self) -> Iterator[ScheduleDefinition]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One property that differs; `before` and `after` as JSON has them, triggers in words."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSchedule:
    """A schedule that is worded differently. `replans`: its fire times change, from the deploy on."""

    id: str
    enabled: bool
    replans: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedSchedule:
    """A schedule the database does not know. It arrives disabled unless its definition says otherwise."""

    id: str
    enabled: bool
    trigger: str
    trigger_description: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedSchedule:
    """A schedule the code no longer declares: it is kept as orphaned, with its history, and not run."""

    id: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What a deploy would change, by id; `unchanged` is a number."""

    app: str
    added: tuple[AddedSchedule, ...]
    changed: tuple[ChangedSchedule, ...]
    returned: tuple[ChangedSchedule, ...]
    """Orphaned ones that the code declares again; each goes on as enabled as it was."""
    removed: tuple[RemovedSchedule, ...]
    unchanged: int
    jobs_added: tuple[str, ...]
    jobs_removed: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        parts = (self.added, self.changed, self.returned, self.removed, self.jobs_added, self.jobs_removed)
        return not any(parts)


def deploy_plan(store: Store, loaded: Declared) -> DeployPlan:
    """Compare what the code declares with the database.

    Raises:
        DefinitionError: an id belongs to another application that shares the database.
    """
    rows, jobs = store.read(lambda tx: (views.schedules.every(tx), views.code.jobs(tx, loaded.app)))
    known = {row.id: row for row in rows}
    wanted = sorted(loaded.schedules(), key=lambda one: one.id)
    _refuse_foreign(loaded.app, wanted, known)
    met = [(known[one.id], one) for one in wanted if one.id in known]
    changed = [(row, one) for row, one in met if row.removed_at is None and row.definition_hash != one.hash]
    back = [(row, one) for row, one in met if row.removed_at is not None]
    ids = {one.id for one in wanted}
    return DeployPlan(
        app=loaded.app,
        added=tuple(_added(one) for one in wanted if one.id not in known),
        changed=tuple(_changed(row, one) for row, one in changed),
        returned=tuple(_changed(row, one) for row, one in back),
        removed=tuple(
            RemovedSchedule(id=row.id, enabled=row.enabled)
            for row in rows
            if row.app == loaded.app and row.id not in ids and row.removed_at is None
        ),
        unchanged=len(met) - len(changed) - len(back),
        jobs_added=tuple(sorted(set(loaded.jobs) - set(jobs))),
        jobs_removed=tuple(sorted(set(jobs) - set(loaded.jobs))),
    )


def _refuse_foreign(app: str, wanted: list[ScheduleDefinition], known: Mapping[str, Any]) -> None:
    faults = [
        Fault(
            where=f"schedule {one.id!r}",
            what=f"belongs to the application {known[one.id].app!r} in this database.",
            remedy="Choose another id, or give each application a database of its own.",
        )
        for one in wanted
        if one.id in known and known[one.id].app != app
    ]
    if faults:
        raise DefinitionError(faults)


def _added(one: ScheduleDefinition) -> AddedSchedule:
    return AddedSchedule(
        id=one.id,
        enabled=one.enabled,
        trigger=definition.trigger_text(one.trigger),
        trigger_description=definition.describe(one.trigger),
        jobs=one.jobs,
    )


def _changed(row: Any, one: ScheduleDefinition) -> ChangedSchedule:
    before = _comparable(row.definition if isinstance(row.definition, dict) else {})
    after = _comparable(one.to_data())
    fields = [name for name in {**after, **before} if before.get(name) != after.get(name)]
    return ChangedSchedule(
        id=one.id,
        enabled=row.enabled,
        replans=any(name in ("trigger", "jitter_seconds") for name in fields),
        changes=tuple(
            Change(field=name, before=_shown(name, before.get(name)), after=_shown(name, after.get(name)))
            for name in fields
        ),
    )


def _comparable(data: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a definition; the stored fires of a user's own trigger change by themselves."""
    # By way of JSON, so that what was stored and what was just loaded are alike.
    kept: dict[str, Any] = json.loads(json.dumps(data))
    trigger = kept.get("trigger")
    if isinstance(trigger, dict):
        kept["trigger"] = {name: value for name, value in trigger.items() if name not in ("fires", "complete")}
    return {name: value for name, value in kept.items() if name not in _NOT_COMPARED}


def _shown(name: str, value: Any) -> Any:
    if name != "trigger" or not isinstance(value, dict):
        return value
    zone = definition.timezone(value)
    text = definition.trigger_text(value)
    both = " matching both day fields" if value.get("day_match") == "and" else ""
    return f"{text}{both}" if zone == "UTC" else f"{text}{both} ({zone})"
