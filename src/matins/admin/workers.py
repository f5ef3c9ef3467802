"""Workers as people see them, and what they say of the daemon as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from matins.admin import shaping
from matins.admin.records import WorkerRecord
from matins.domain.states import WorkerStatus
from matins.store import installation, views
from matins.store.engine import Store, Tx

SHOWN_AFTER_END = timedelta(days=1)
"""How long a worker that ended is still listed."""
MOST = 200
WEDGED_AFTER = timedelta(seconds=60)
HEALTHY_SECONDS = 60
DELAYED_SECONDS = 120


class DaemonState(StrEnum):
    """How the daemon is, by its freshest heartbeat."""

    HEALTHY = "healthy"
    DELAYED = "delayed"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """The daemon as a whole: every worker that runs or ended lately, and whether the installation is paused."""

    status: DaemonState
    workers: tuple[WorkerRecord, ...]
    checked_at: datetime
    paused: bool
    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None


def list_workers(store: Store) -> tuple[WorkerRecord, ...]:
    """Workers that run, and those that ended within a day; the freshest first. Ages are by the database's clock."""
    return store.read(shown)


def daemon_status(store: Store) -> DaemonStatus:
    """How the daemon is: by the freshest worker not stopped in order, healthy under 60 s, delayed to 120 s, else down."""
    return store.read(status)


def shown(tx: Tx) -> tuple[WorkerRecord, ...]:
    """The workers, as this transaction sees them."""
    return tuple(shaping.worker(row, tx.now) for row in views.workers.shown(tx, tx.now - SHOWN_AFTER_END, MOST))


def status(tx: Tx) -> DaemonStatus:
    """How the daemon is, as this transaction sees it."""
    workers, pause = shown(tx), installation.read_pause(tx)
    return DaemonStatus(
        status=_state(workers),
        workers=workers,
        checked_at=tx.now,
        paused=pause is not None,
        paused_at=pause.at if pause else None,
        paused_by=pause.by if pause else None,
        paused_reason=pause.reason if pause else None,
    )


def overslept(worker: Any, now: datetime) -> bool:
    """Whether a worker's scheduler has not looked long after it announced to: it is wedged.

    Announcements come with heartbeats, at least three a lease, so one that beats slowly is given that long.
    """
    if worker.next_wake_at is None:
        return False
    lease: timedelta = worker.lease_until - worker.last_heartbeat_at
    overdue: timedelta = now - worker.next_wake_at
    return overdue > max(WEDGED_AFTER, lease / 3)


def _state(workers: tuple[WorkerRecord, ...]) -> DaemonState:
    ages = [one.heartbeat_age_seconds for one in workers if one.status != WorkerStatus.STOPPED]
    age = min(ages, default=float("inf"))
    if age < HEALTHY_SECONDS:
        return DaemonState.HEALTHY
    return DaemonState.DELAYED if age <= DELAYED_SECONDS else DaemonState.DOWN
