"""Why the ledger has no row for an instant, from the schedule's state and its trigger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from matins.admin import explain_daemons
from matins.admin.explain_recorded import switched_off
from matins.admin.explained import Evidence, Fate, Finding, Moment, PrunedCount
from matins.admin.words import by, span, when
from matins.domain.states import MissedPolicy
from matins.store import views

_MISSED = {
    MissedPolicy.SKIP: "it will be recorded as missed",
    MissedPolicy.RUN_ONCE: "the newest of the fires then due will run for all of them",
    MissedPolicy.RUN_ALL: "it will be made up for, as far back as the catch-up window reaches",
}


def finding(moment: Moment, planned: datetime | None) -> Finding:
    """Why there is no row."""
    if planned is None:
        return _no_fire(moment)
    for reason in _REASONS:
        found = reason(moment, planned)
        if found is not None:
            return found
    return _overdue(moment, planned)


def _no_fire(moment: Moment) -> Finding:
    if moment.meant is None:
        return Finding(
            fate=Fate.QUARANTINED,
            sentence=f"The ledger has nothing at that time, and whether it is a fire cannot be told: {moment.fault}.",
        )
    since = moment.meant.known_since
    if since is not None and moment.at < since:
        return Finding(
            fate=Fate.NOT_RECORDED,
            sentence=f"Whether {when(moment.at)} was a fire cannot be told: fires of a trigger of one's own"
            f" are kept from {when(since)} on.",
            evidence=tuple(_covered_by_old_wording(moment)),
        )
    before, after = moment.meant.last_before(moment.at), next(moment.meant.fires_after(moment.at), None)
    shown = [when(one + moment.offset) if one else "none" for one in (before, after)]
    evidence = [Evidence(what=f"Its trigger: {moment.meant.trigger.describe()}.")]
    if moment.at <= moment.schedule.updated_at:
        changed = Evidence(
            at=moment.schedule.updated_at, what="Its definition was changed last; before, it may have fired."
        )
        evidence += [changed, *_covered_by_old_wording(moment)]
    return Finding(
        fate=Fate.NOT_A_FIRE,
        sentence=f"{when(moment.at)} is not a fire of this schedule: the one before is {shown[0]}, the next {shown[1]}.",
        evidence=tuple(evidence),
    )


def _covered_by_old_wording(moment: Moment) -> list[Evidence]:
    row = views.occurrences.planned_from(moment.tx, moment.schedule.id, moment.at)
    if row is None or row.range_from is None or row.range_from > moment.at:
        return []
    what = (
        f"Occurrence {row.id} stands for {row.count} fires from {when(row.range_from)} to {when(row.planned_at)}"
        f" ({row.reason}), of which it may have been one."
    )
    return [Evidence(what=what)]


def _before_schedule(moment: Moment, planned: datetime) -> Finding | None:
    created = moment.schedule.created_at
    if planned > created:
        return None
    return Finding(
        fate=Fate.BEFORE_SCHEDULE,
        sentence=f"The schedule did not exist yet: it was first deployed at {when(created)}.",
        evidence=(Evidence(at=created, what="The schedule was first deployed."),),
    )


def _accounted(moment: Moment, planned: datetime) -> Finding | None:
    """Up to the watermark everything has had its row: it was pruned, or another trigger was in force."""
    schedule = moment.schedule
    if schedule.planned_through is None or planned > schedule.planned_through:
        return None
    day = (planned + moment.offset).date().isoformat()
    counts = views.occurrences.pruned(moment.tx, schedule.id, day)
    if counts or views.occurrences.pruned_around(moment.tx, schedule.id, day, planned):
        return Finding(
            fate=Fate.PRUNED,
            sentence="Its row was pruned with old history; of that day the totals are left.",
            pruned=tuple(
                PrunedCount(kind=row.kind, status=row.status, reason=row.reason or None, count=row.count)
                for row in counts
            ),
        )
    if planned <= schedule.updated_at:
        return Finding(
            fate=Fate.NOT_RECORDED,
            sentence=f"It is a fire of the present definition, which is in force since {when(schedule.updated_at)};"
            " the one before did not fire then.",
            evidence=(
                Evidence(at=schedule.updated_at, what="Its definition was changed."),
                *_covered_by_old_wording(moment),
            ),
        )
    return Finding(
        fate=Fate.NOT_RECORDED,
        sentence="It is accounted for, yet the ledger has no row of it: rows were deleted by hand.",
        evidence=(Evidence(what=f"Everything up to {when(schedule.planned_through)} is accounted for."),),
    )


def _orphaned(moment: Moment, _planned: datetime) -> Finding | None:
    since = moment.schedule.removed_at
    if since is None:
        return None
    return Finding(
        fate=Fate.ORPHANED,
        sentence=f"The schedule is orphaned: no running code has declared it since {when(since)}, so nobody plans it.",
        evidence=(Evidence(at=since, what="It was set aside as no longer in the code."),),
    )


def _quarantined(moment: Moment, _planned: datetime) -> Finding | None:
    since = moment.schedule.quarantined_at
    if since is None:
        return None
    return Finding(
        fate=Fate.QUARANTINED,
        sentence=f"The schedule is quarantined since {when(since)}: {moment.schedule.quarantine_reason}.",
        evidence=(Evidence(what=f"`matins enable {moment.schedule.id}` tries it again."),),
    )


def _elsewhere(moment: Moment, _planned: datetime) -> Finding | None:
    named = moment.meant.declared.environments if moment.meant else ()
    if not named:
        return None
    here = (
        {moment.environment}
        if moment.environment is not None
        else {row.environment for row in views.workers.live(moment.tx, moment.schedule.app)}
    )
    if not here or here & set(named):
        return None
    return Finding(
        fate=Fate.OTHER_ENVIRONMENT,
        sentence=f"The schedule applies in {' and '.join(named)}, not in {' or '.join(sorted(here))}: it is not planned.",
    )


def _disabled(moment: Moment, planned: datetime) -> Finding | None:
    schedule = moment.schedule
    since = schedule.disabled_since or schedule.enabled_changed_at or schedule.created_at
    if planned + moment.offset < since:
        return None
    if not schedule.enabled:
        to_come = planned + moment.offset > moment.tx.now
        then = "so it will not run unless it is enabled before" if to_come else "so it did not run"
        return Finding(
            fate=Fate.DISABLED,
            sentence=f"The schedule is disabled since {when(since)}, {then}.",
            evidence=tuple(switched_off(moment, min(planned + moment.offset, moment.tx.now))),
        )
    if schedule.disabled_since is None or planned + moment.offset > (schedule.enabled_changed_at or moment.tx.now):
        return None
    enabled = Evidence(
        at=schedule.enabled_changed_at,
        what=f"It was enabled{by(schedule.enabled_changed_by, schedule.enabled_reason)}; "
        "a daemon has yet to record the time before.",
    )
    return Finding(
        fate=Fate.DISABLED,
        sentence=f"It did not run: the schedule was disabled from {when(since)} on.",
        evidence=(*switched_off(moment, planned + moment.offset), enabled),
    )


def _to_come(moment: Moment, planned: datetime) -> Finding | None:
    fire_at = planned + moment.offset
    if fire_at <= moment.tx.now:
        return None
    return Finding(
        fate=Fate.TO_COME,
        sentence=f"It is still to come: the schedule fires then, in {span(fire_at - moment.tx.now)}.",
        evidence=tuple(explain_daemons.paused(moment)),
    )


def _overdue(moment: Moment, planned: datetime) -> Finding:
    late = moment.tx.now - planned - moment.offset
    sentence = f"It is due for {span(late)}, and no daemon has planned it yet."
    if moment.meant is not None:
        declared = moment.meant.declared
        if late > timedelta(seconds=declared.grace_seconds):
            sentence += (
                f" Past its grace of {span(timedelta(seconds=declared.grace_seconds))}, {_MISSED[declared.missed]}."
            )
    evidence = explain_daemons.why_nothing_is_planned(moment) + explain_daemons.paused(moment)
    return Finding(fate=Fate.OVERDUE, sentence=sentence, evidence=tuple(evidence))


_REASONS: tuple[Callable[[Moment, datetime], Finding | None], ...] = (
    _before_schedule,
    _accounted,
    _orphaned,
    _quarantined,
    _elsewhere,
    _disabled,
    _to_come,
)
