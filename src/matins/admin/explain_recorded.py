"""What a row of the ledger tells of a fire: how it ran, what it waits for, or why it did not run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from matins.admin import explain_daemons
from matins.admin.explained import Evidence, Fate, Finding, Moment
from matins.admin.records import OccurrenceRecord, RunRecord
from matins.admin.words import by, span, when
from matins.domain.states import OccurrenceKind, OccurrenceStatus, Reason, RunStatus
from matins.store import audit, views

ON_TIME = timedelta(seconds=1)

_FATES = {
    Reason.DISABLED: Fate.DISABLED,
    Reason.NOT_IN_CODE: Fate.ORPHANED,
    Reason.QUARANTINED: Fate.QUARANTINED,
}
_ENDS = {
    OccurrenceStatus.SUCCEEDED: "succeeded",
    OccurrenceStatus.FAILED: "failed",
    OccurrenceStatus.CANCELLED: "was cancelled",
    OccurrenceStatus.INTERRUPTED: "was interrupted by a stopping daemon",
    OccurrenceStatus.LOST: "was lost with its worker",
    OccurrenceStatus.SKIPPED: "was skipped",
}


def finding(moment: Moment, one: OccurrenceRecord) -> Finding:
    """What the row tells."""
    if one.started_at is not None:
        return _ran(one, one.started_at)
    if not OccurrenceStatus(one.status).ended:
        return _waits(moment, one)
    return _did_not_run(moment, one)


def _ran(one: OccurrenceRecord, started_at: datetime) -> Finding:
    late = started_at - one.fire_at
    how = f"It ran as a catch-up, {span(late)} late" if one.kind == OccurrenceKind.CATCH_UP else "It ran"
    if how == "It ran" and late > ON_TIME:
        how = f"It ran {span(late)} late"
    if one.finished_at is None:
        sentence = f"{how}: it started at {when(started_at)} and {_goes_on(one)}."
    else:
        end = _ENDS.get(OccurrenceStatus(one.status), one.status)
        sentence = f"{how}: it started at {when(started_at)} and {end} after {span(one.finished_at - started_at)}."
    evidence = [_run_told(run) for run in one.runs]
    if one.cancel_requested_at is not None:
        who = by(one.cancel_requested_by)
        evidence.append(Evidence(at=one.cancel_requested_at, what=f"It was asked to stop{who}."))
    return Finding(fate=Fate.RAN, sentence=sentence, evidence=tuple(evidence))


def _goes_on(one: OccurrenceRecord) -> str:
    if any(run.status == RunStatus.RUNNING for run in one.runs):
        return "is still running"
    ahead = [run for run in one.runs if run.status == RunStatus.PENDING]
    if not ahead:
        return "has not ended"
    return f"waits for attempt {ahead[-1].attempt} of job {ahead[-1].job!r}, not before {when(ahead[-1].available_at)}"


def _run_told(run: RunRecord) -> Evidence:
    text = f"Run {run.id}: job {run.job!r}, attempt {run.attempt}: {run.status}"
    if run.reason:
        text += f" ({run.reason})"
    if run.error is not None:
        text += (
            f": {run.error.type or 'error'}: {(run.error.message or '').splitlines()[0] if run.error.message else ''}"
        )
    elif run.exit:
        text += f": {run.exit}"
    if run.worker_id:
        text += f"; worker {run.worker_id}"
    return Evidence(at=run.started_at or run.created_at, what=f"{text.rstrip(': ')}.")


def _waits(moment: Moment, one: OccurrenceRecord) -> Finding:
    evidence = [_run_told(run) for run in one.runs]
    if moment.pause is not None:
        what = f"The installation is paused{by(moment.pause.by, moment.pause.reason)}: nothing new starts."
        evidence.insert(0, Evidence(at=moment.pause.at, what=what))
    if one.admitted_at is None:
        return Finding(
            fate=Fate.WAITING,
            sentence="It is recorded and waits until an earlier occurrence of the schedule has ended.",
            evidence=(*evidence, *_blocker(moment, one, moment.tx.now)),
        )
    evidence += explain_daemons.why_nothing_starts(moment)
    return Finding(
        fate=Fate.WAITING, sentence="It is recorded and waits for a free slot of a daemon.", evidence=tuple(evidence)
    )


def _did_not_run(moment: Moment, one: OccurrenceRecord) -> Finding:
    reason = next((known for known in Reason if known == one.reason), None)
    sentence = _SKIPS.get(reason, f"It did not run: it {_ENDS.get(OccurrenceStatus(one.status), one.status)}.")
    look = _EVIDENCE.get(reason) if reason is not None else None
    evidence = list(look(moment, one)) if look is not None else []
    if one.count > 1 and one.range_from is not None and one.planned_at is not None:
        what = (
            f"Occurrence {one.id} stands for {one.count} fires with that reason, "
            f"from {when(one.range_from)} to {when(one.planned_at)}."
        )
        evidence.append(Evidence(what=what))
    else:
        evidence.append(Evidence(at=one.created_at, what=f"Occurrence {one.id} was recorded."))
    if one.detail:
        evidence.append(Evidence(what=one.detail))
    evidence += [_run_told(run) for run in one.runs]
    fate = Fate.SKIPPED if reason is None else _FATES.get(reason, Fate.SKIPPED)
    return Finding(fate=fate, sentence=sentence, evidence=tuple(evidence))


_SKIPS: dict[Reason | None, str] = {
    Reason.MISSED: "It was missed: no daemon planned it within its grace.",
    Reason.COALESCED: "It was missed, and one later run stands for it (missed policy run_once).",
    Reason.CATCH_UP_LIMIT: "It was missed, and lay beyond what is made up for: the catch-up window or cap.",
    Reason.OVERLAP: "It was skipped: the previous occurrence had not ended (overlap policy skip).",
    Reason.BUFFER_FULL: "It was skipped: as many occurrences as allowed were waiting already.",
    Reason.DISABLED: "It did not run: the schedule was disabled.",
    Reason.START_WITHIN: "It was skipped: it waited longer for a slot than the schedule's start_within allows.",
    Reason.NO_CAPABLE_WORKER: "It was skipped: no running daemon's code knew the job.",
    Reason.NOT_IN_CODE: "It did not run: the schedule had been removed from the code.",
    Reason.SUPERSEDED: "It did not run: a deploy changed the trigger before it was planned.",
    Reason.QUARANTINED: "It did not run: the schedule was quarantined, since its row or definition could not be used.",
    Reason.SHUTTING_DOWN: "It did not run: the daemon was stopping.",
    Reason.CANCELLED: "It was cancelled before it started.",
    Reason.TIMED_OUT: "It did not run: its own time limit was over.",
    Reason.REPLACED: "It was replaced by a newer occurrence before it started (overlap policy cancel_running).",
}


def _blocker(moment: Moment, one: OccurrenceRecord, instant: datetime) -> list[Evidence]:
    row = views.occurrences.open_at(moment.tx, moment.schedule.id, instant, one.id)
    if row is None:
        return []
    end = f"ended at {when(row.finished_at)}" if row.finished_at else f"is {row.status}"
    start = f"started at {when(row.started_at)}" if row.started_at else "had not started"
    return [
        Evidence(at=row.started_at, what=f"Occurrence {row.id} ({row.kind}, {when(row.fire_at)}) {start}; it {end}.")
    ]


def _overlapped(moment: Moment, one: OccurrenceRecord) -> list[Evidence]:
    return _blocker(moment, one, one.created_at)


def _stand_in(moment: Moment, one: OccurrenceRecord) -> list[Evidence]:
    row = None if one.planned_at is None else views.occurrences.stand_in(moment.tx, moment.schedule.id, one.planned_at)
    found = explain_daemons.presence_at(moment, one.fire_at)
    if row is None:
        return found
    what = f"Occurrence {row.id} ({row.kind}, {when(row.fire_at)}) stands for it: {row.status}."
    return [Evidence(at=row.started_at, what=what), *found]


def _missed(moment: Moment, one: OccurrenceRecord) -> list[Evidence]:
    return explain_daemons.presence_at(moment, _asked(moment, one))


def _switched(moment: Moment, one: OccurrenceRecord) -> list[Evidence]:
    return switched_off(moment, _asked(moment, one))


def _asked(moment: Moment, one: OccurrenceRecord) -> datetime:
    """The fire that was asked about: the row's own, unless it stands for several."""
    return one.fire_at if one.range_from is None else min(moment.at, one.fire_at)


def switched_off(moment: Moment, instant: datetime) -> list[Evidence]:
    """Who had switched the schedule off at an instant, since when and why."""
    event = audit.last_switch_before(moment.tx, moment.schedule.id, instant)
    if event is not None and event.action == "disable":
        return [Evidence(at=event.at, what=f"It was disabled{by(event.actor, event.reason)}.")]
    row = moment.schedule
    if event is None and (row.enabled or row.enabled_changed_at is None):
        return [Evidence(at=row.created_at, what="It arrived disabled, and nobody had enabled it yet.")]
    if row.disabled_since is not None:
        who = by(row.enabled_changed_by, row.enabled_reason)
        return [Evidence(at=row.disabled_since, what=f"It was disabled{who}.")]
    return []


def _cancelled(_moment: Moment, one: OccurrenceRecord) -> list[Evidence]:
    if one.cancel_requested_at is None:
        return []
    return [Evidence(at=one.cancel_requested_at, what=f"It was cancelled{by(one.cancel_requested_by)}.")]


_EVIDENCE: dict[Reason, Callable[[Moment, OccurrenceRecord], list[Evidence]]] = {
    Reason.MISSED: _missed,
    Reason.CATCH_UP_LIMIT: _missed,
    Reason.COALESCED: _stand_in,
    Reason.OVERLAP: _overlapped,
    Reason.BUFFER_FULL: _overlapped,
    Reason.DISABLED: _switched,
    Reason.CANCELLED: _cancelled,
}
