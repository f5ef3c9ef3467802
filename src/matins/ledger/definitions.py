"""Synchronising definitions: what the code declares becomes rows, without touching what operators own.

A new schedule arrives as its definition says, normally disabled. A changed trigger plans from now on; the fires of the
old one that were still due are recorded under it as `superseded`. A schedule that no live code declares any more has
its last fires recorded as `not_in_code`, and is then set aside, kept with its history; should it come back, it plans
from that moment. One that was quarantined, or whose stored definition cannot be read, is restored by the code's own;
the fires of that time are recorded as `quarantined`. The newest code to start puts its wording in force; two versions
side by side each plan only what is worded as they know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from matins.domain.planning import account_for_skipped
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import Reason, ScheduleId
from matins.domain.triggers import Trigger, from_data
from matins.errors import DefinitionError, Fault, FiresExhausted, MatinsError
from matins.ledger.plans import Proposal, following_run, insert_rows
from matins.store.engine import Tx
from matins.store.schedules import READ_COLUMNS, PlannableSchedule, definitions, plannable
from matins.store.tables import job_schedule, occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedBatch:
    """What synchronising some definitions did; `unfinished` ones must be passed in again."""

    added: tuple[ScheduleId, ...] = ()
    changed: tuple[ScheduleId, ...] = ()
    returned: tuple[ScheduleId, ...] = ()
    unfinished: tuple[ScheduleDefinition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Existing:
    row: PlannableSchedule
    removed_at: datetime | None
    quarantined_at: datetime | None


_Meant = tuple[ScheduleDefinition, Trigger]


def sync_definitions(tx: Tx, app: str, wanted: Sequence[ScheduleDefinition]) -> SyncedBatch:
    """Bring these schedules' rows in line with their definitions.

    Raises:
        DefinitionError: an id belongs to another application that shares the database.
    """
    existing = _lock(tx, [one.id for one in wanted])
    _refuse_foreign(app, existing)
    added = [one for one in wanted if one.id not in existing]
    changed = [one for one in wanted if one.id in existing and _differs(one, existing[one.id])]
    _insert_new(tx, app, added)
    unfinished = _apply_changes(tx, [(existing[one.id], one) for one in changed])
    held_back = {one.id for one in unfinished}
    return SyncedBatch(
        added=tuple(one.id for one in added),
        changed=tuple(one.id for one in changed if one.id not in held_back and existing[one.id].removed_at is None),
        returned=tuple(one.id for one in changed if one.id not in held_back and existing[one.id].removed_at),
        unfinished=tuple(unfinished),
    )


def set_aside_vanished(tx: Tx, ids: Iterable[ScheduleId]) -> list[ScheduleId]:
    """Record the last fires of schedules that left the code, and set aside those whose fires are all recorded."""
    existing = _lock(tx, list(ids))
    old = definitions(tx, list(existing))
    rest = {id_: _record_rest(tx, one, _read(old.get(id_)), Reason.NOT_IN_CODE) for id_, one in existing.items()}
    _update(
        tx,
        [
            {"id": id_, "planned_through": through, "next_run_at": None, "removed_at": tx.now if done else None}
            for id_, (done, through) in rest.items()
        ],
    )
    return [id_ for id_, (done, _) in rest.items() if done]


def _lock(tx: Tx, ids: Sequence[ScheduleId]) -> dict[ScheduleId, _Existing]:
    query = (
        select(*READ_COLUMNS, job_schedule.c.removed_at, job_schedule.c.quarantined_at)
        .where(tx.dialect.is_one_of(job_schedule.c.id, sorted(ids)))
        .order_by(job_schedule.c.id)
    )
    return {
        row.id: _Existing(row=plannable(*tuple(row)[:-2]), removed_at=row.removed_at, quarantined_at=row.quarantined_at)
        for row in tx.execute(tx.dialect.locked(query))
    }


def _refuse_foreign(app: str, existing: dict[ScheduleId, _Existing]) -> None:
    faults = [
        Fault(
            where=f"schedule {id_!r}",
            what=f"belongs to the application {one.row.app!r} in this database.",
            remedy="Choose another id, or give each application a database of its own.",
        )
        for id_, one in existing.items()
        if one.row.app != app
    ]
    if faults:
        raise DefinitionError(faults)


def _differs(wanted: ScheduleDefinition, existing: _Existing) -> bool:
    set_aside = existing.removed_at is not None or existing.quarantined_at is not None
    own_trigger = wanted.trigger.get("kind") == "custom"
    return existing.row.definition_hash != wanted.hash or set_aside or own_trigger


def _insert_new(tx: Tx, app: str, added: Sequence[ScheduleDefinition]) -> None:
    tx.dialect.insert_absent(
        tx.connection,
        job_schedule,
        [
            {
                "id": one.id,
                "app": app,
                "enabled": one.enabled,
                "disabled_since": None if one.enabled else tx.now,
                "planned_through": tx.now,
                "created_at": tx.now,
                **_worded(one, tx.now),
                **_derived(one, from_data(one.trigger), tx.now, tx.now),
            }
            for one in added
        ],
    )


def _apply_changes(tx: Tx, pairs: Sequence[tuple[_Existing, ScheduleDefinition]]) -> list[ScheduleDefinition]:
    """Put the new wording in force; answers those whose old fires are too many to count in one go."""
    old = definitions(tx, [one.row.id for one, _ in pairs])
    updates: list[dict[str, Any]] = []
    unfinished: list[ScheduleDefinition] = []
    for one, wanted in pairs:
        done, through = _account_for_old(tx, one, _read(old.get(one.row.id)), wanted)
        if not done:
            _update(tx, [{"id": one.row.id, "planned_through": through}])
            unfinished.append(wanted)
            continue
        updates.append(_reworded(tx, one, wanted, through))
    _update(tx, updates)
    return unfinished


def _reworded(tx: Tx, one: _Existing, wanted: ScheduleDefinition, through: datetime) -> dict[str, Any]:
    counted_off = not one.row.enabled and through >= tx.now - timedelta(seconds=wanted.jitter_seconds)
    return {
        "id": one.row.id,
        "planned_through": through,
        "disabled_since": tx.now if counted_off else one.row.disabled_since,
        "removed_at": None,
        "quarantined_at": None,
        "quarantine_reason": None,
        **_worded(wanted, tx.now),
        **_derived(wanted, from_data(wanted.trigger), through, tx.now),
    }


def _read(stored: Any) -> _Meant | None:
    """A stored definition; None for one that cannot be used, whatever people or damage made of it."""
    try:
        definition = ScheduleDefinition.from_data(stored)
        return definition, from_data(definition.trigger)
    except (MatinsError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _account_for_old(tx: Tx, one: _Existing, old: _Meant | None, wanted: ScheduleDefinition) -> tuple[bool, datetime]:
    """Record what no longer runs under the old wording; whether that is complete, and the watermark reached."""
    new = (wanted, from_data(wanted.trigger))
    changed = old is not None and _timing(old[0].to_data()) != _timing(wanted.to_data())
    if one.removed_at is not None:
        done, through = _record_rest(tx, one, old or new, Reason.NOT_IN_CODE)
    elif one.quarantined_at is not None or old is None:
        done, through = _record_rest(tx, _past_recorded(tx, one), new, Reason.QUARANTINED)
    elif changed:
        done, through = _record_rest(tx, one, old, Reason.SUPERSEDED)
    else:
        return True, one.row.planned_through or tx.now
    # Under the same timing a fire that jitter still holds back is yet to come; another timing begins now.
    return done, max(tx.now, through) if done and changed else through


def _past_recorded(tx: Tx, one: _Existing) -> _Existing:
    """The row, its watermark not before the last fire that has a row: it may be the watermark that was damaged."""
    query = select(func.max(occurrence.c.planned_at)).where(occurrence.c.schedule_id == one.row.id)
    recorded: datetime | None = tx.execute(query).scalar_one()
    through = one.row.planned_through
    if recorded is None or through is None or recorded <= through:
        return one
    return replace(one, row=replace(one.row, planned_through=recorded))


def _timing(data: dict[str, Any]) -> tuple[Any, ...]:
    trigger = {key: value for key, value in data["trigger"].items() if key != "fires" and key != "complete"}
    return trigger, data.get("jitter_seconds")


def _record_rest(tx: Tx, one: _Existing, meant: _Meant | None, reason: Reason) -> tuple[bool, datetime]:
    """Account for a definition's fires until now; whether that is complete, and the watermark reached."""
    if meant is None or one.row.planned_through is None:
        return True, tx.now
    definition, trigger = meant
    why = reason if one.row.enabled else Reason.DISABLED
    try:
        made = account_for_skipped(trigger, definition, one.row.planned_through, tx.now, why)
    except FiresExhausted:
        return True, tx.now
    insert_rows(tx, [(Proposal(schedule=one.row, definition=definition, trigger=trigger), made)])
    return made.planned_through >= tx.now - definition.jitter_offset, made.planned_through


def _worded(definition: ScheduleDefinition, now: datetime) -> dict[str, Any]:
    return {
        "name": definition.name or definition.id,
        "definition": definition.to_data(),
        "definition_hash": definition.hash,
        "updated_at": now,
    }


def _derived(
    definition: ScheduleDefinition, trigger: Trigger, planned_through: datetime, now: datetime
) -> dict[str, Any]:
    following = following_run(trigger, definition, planned_through, now)
    return {"next_run_at": following, "never_fires": following is None}


def _update(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    tx.dialect.update_many(tx.connection, job_schedule, ["id"], rows)
