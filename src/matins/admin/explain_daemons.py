"""What workers' rows tell of a moment: whether anybody was there to plan, and why nobody plans or starts now."""

from __future__ import annotations

from datetime import datetime

from matins.admin import workers
from matins.admin.explained import Evidence, Moment
from matins.admin.words import by, when
from matins.store import views


def presence_at(moment: Moment, instant: datetime) -> list[Evidence]:
    """Whether a daemon was there at an instant in the past, as far as workers' rows are kept."""
    tx, app = moment.tx, moment.schedule.app
    present = views.workers.present_at(tx, app, instant)
    if present is not None:
        return [
            Evidence(
                at=present.started_at,
                what=f"Worker {present.id} on {present.hostname} was running then, but did not plan it in time.",
            )
        ]
    before = views.workers.last_sign_before(tx, app, instant)
    after = views.workers.next_start_after(tx, app, instant)
    last = "no earlier one is on record" if before is None else f"the last heartbeat before it was at {when(before)}"
    following = "none has started since" if after is None else f"the next one started at {when(after)}"
    return [Evidence(at=before, what=f"No daemon was running then: {last}, {following}.")]


def why_nothing_is_planned(moment: Moment) -> list[Evidence]:
    """Why a due fire may not be planned at this moment."""
    tx, schedule = moment.tx, moment.schedule
    live = views.workers.live(tx, schedule.app)
    if not live:
        return _none_live(moment)
    found = _draining(live)
    known = views.code.wordings(tx, schedule.id, [row.version_id for row in live if row.version_id is not None])
    if not any(row.applies for row in known):
        found.append(Evidence(what="None of the daemons that run plans this schedule by its code and environment."))
    elif all(row.definition_hash != schedule.definition_hash for row in known):
        found.append(Evidence(what="The daemons that run know it in another wording, and will put theirs in force."))
    found += [
        Evidence(at=row.next_wake_at, what=f"Worker {row.id} announced to look then and has not: it seems wedged.")
        for row in live
        if workers.overslept(row, tx.now)
    ]
    running = ", ".join(f"{row.id} on {row.hostname}" for row in live[:5])
    return found or [Evidence(what=f"Running now: {running}. It should be planned at any moment.")]


def why_nothing_starts(moment: Moment) -> list[Evidence]:
    """Why what waits for a slot may not start at this moment."""
    live = views.workers.live(moment.tx, moment.schedule.app)
    return _draining(live) if live else _none_live(moment)


def paused(moment: Moment) -> list[Evidence]:
    """The pause in force, if there is one."""
    if moment.pause is None:
        return []
    what = f"The installation is paused{by(moment.pause.by, moment.pause.reason)}: what is planned does not start."
    return [Evidence(at=moment.pause.at, what=what)]


def _none_live(moment: Moment) -> list[Evidence]:
    last = views.workers.last_sign_before(moment.tx, moment.schedule.app, moment.tx.now)
    since = "none was ever seen" if last is None else f"the last heartbeat was at {when(last)}"
    return [Evidence(at=last, what=f"No daemon of application {moment.schedule.app!r} is running: {since}.")]


def _draining(live: list[object]) -> list[Evidence]:
    if not all(getattr(row, "drain_requested_at", None) for row in live):
        return []
    return [Evidence(what="Every daemon that runs is being drained, and starts nothing new.")]
