"""Whether schedules are being run on time, for those who must be told when they are not.

Scheduling is wedged when the wake-up that a daemon itself announced has passed long ago, never because its last turn
is old: one that has nothing to do sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from matins.admin import definition, workers
from matins.admin.records import WorkerRecord
from matins.admin.workers import DaemonStatus
from matins.domain.states import WorkerStatus
from matins.store import views
from matins.store.engine import Store, Tx

MAX_AGE_SECONDS = 300.0
LATE_MARGIN = timedelta(seconds=60)
"""Added to a schedule's grace before it is called late: planning a burst takes a moment."""
MOST_LATE = 500
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong: a stable code, what it is, and what to do."""

    code: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Healthy if nothing is wrong. A pause is told, and is no problem: somebody wanted it."""

    healthy: bool
    problems: tuple[Problem, ...]
    checked_at: datetime
    daemon: DaemonStatus


def health(store: Store, max_age_seconds: float = MAX_AGE_SECONDS) -> Health:
    """Look for a daemon that is missing, silent, late or wedged."""

    def work(tx: Tx) -> Health:
        daemon = workers.status(tx)
        problems = [*_silent(daemon, max_age_seconds), *_wedged(daemon), *_late(tx, daemon)]
        return Health(healthy=not problems, problems=tuple(problems), checked_at=tx.now, daemon=daemon)

    return store.read(work)


def _silent(daemon: DaemonStatus, max_age_seconds: float) -> list[Problem]:
    running = _running(daemon)
    if not running:
        ended = max(daemon.workers, key=lambda one: one.last_heartbeat_at, default=None)
        last = f" The last one, on {ended.hostname}, is {ended.status}" if ended else ""
        why = f"{last}: {ended.stop_reason}." if ended and ended.stop_reason else last and f"{last}."
        return [Problem(code="no_daemon", what=f"No daemon is running.{why}", remedy="Start one by `matins daemon`.")]
    freshest = min(running, key=lambda one: one.heartbeat_age_seconds)
    if freshest.heartbeat_age_seconds <= max_age_seconds:
        return []
    return [
        Problem(
            code="heartbeat_too_old",
            what=f"The last heartbeat of any daemon is {freshest.heartbeat_age_seconds:.0f} s old "
            f"(worker {freshest.id} on {freshest.hostname}); {max_age_seconds:.0f} s are allowed.",
            remedy="Look at its log and at its way to the database; a new daemon takes over by itself.",
        )
    ]


def _wedged(daemon: DaemonStatus) -> list[Problem]:
    """Told where nobody plans: a wedged daemon beside a well one of the same application makes nothing late."""
    planning = [one for one in _running(daemon) if not one.draining]
    overdue = [one for one in planning if workers.overslept(one, daemon.checked_at)]
    served = {(one.app, one.environment) for one in planning if one not in overdue}
    return [
        Problem(
            code="scheduling_wedged",
            what=f"Worker {one.id} on {one.hostname} announced to look for due schedules at "
            f"{one.next_wake_at:%Y-%m-%d %H:%M:%S} UTC and has not.",
            remedy=f"Restart it (pid {one.pid}); its log says what it waits for.",
        )
        for one in overdue
        if (one.app, one.environment) not in served
    ]


def _late(tx: Tx, daemon: DaemonStatus) -> list[Problem]:
    versions = views.code.live_version_ids(tx)
    if daemon.paused or not versions:
        return []
    rows = views.schedules.late_since(tx, tx.now - LATE_MARGIN, versions, MOST_LATE)
    late = [row for row in rows if row.next_run_at + _grace(row) + LATE_MARGIN < tx.now]
    if not late:
        return []
    named = ", ".join(f"{row.id} (due {row.next_run_at:%Y-%m-%d %H:%M:%S} UTC)" for row in late[:NAMED])
    more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
    return [
        Problem(
            code="schedules_late",
            what=f"Later than they may be: {named}{more}.",
            remedy=f"`matins explain {late[0].id} --at {late[0].next_run_at:%Y-%m-%dT%H:%M:%SZ}` tells what holds it up.",
        )
    ]


def _grace(row: Any) -> timedelta:
    meant = definition.read(row.definition)
    return timedelta(0) if isinstance(meant, str) else timedelta(seconds=meant.declared.grace_seconds)


def _running(daemon: DaemonStatus) -> list[WorkerRecord]:
    return [one for one in daemon.workers if one.status == WorkerStatus.RUNNING]
