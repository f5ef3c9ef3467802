"""The installation's one row: its revision, which rises with every change daemons should notice, and its pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select, update

from matins.domain.states import RunStatus
from matins.store.engine import Tx
from matins.store.tables import installation, job_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a daemon reads once a second."""

    revision: int
    paused: bool
    waiting: bool
    """Whether a run of the application waits to be claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Since when, by whom and why nothing new starts."""

    at: datetime
    by: str
    reason: str | None


def read_signal(tx: Tx, app: str) -> Signal:
    """The revision, whether the installation is paused, and whether there is work for this application's daemons."""
    waiting = exists().where(
        job_run.c.app == app, job_run.c.status == RunStatus.PENDING, job_run.c.available_at <= tx.clock
    )
    query = select(installation.c.revision, installation.c.paused_at, waiting.label("waiting"))
    row = tx.execute(query).one()
    return Signal(revision=row.revision, paused=row.paused_at is not None, waiting=bool(row.waiting))


def touch(tx: Tx) -> None:
    """Tell every daemon that something changed; they look once a second."""
    tx.execute(update(installation).values(revision=installation.c.revision + 1))


def read_pause(tx: Tx) -> Pause | None:
    """The pause in force, if any."""
    row = tx.execute(select(installation.c.paused_at, installation.c.paused_by, installation.c.paused_reason)).one()
    return None if row.paused_at is None else Pause(at=row.paused_at, by=row.paused_by, reason=row.paused_reason)


def pause(tx: Tx, actor: str, reason: str | None) -> bool:
    """Start nothing new from now on; False if that was so already."""
    changed = tx.execute(
        update(installation)
        .where(installation.c.paused_at.is_(None))
        .values(paused_at=tx.now, paused_by=actor, paused_reason=reason)
    )
    touch(tx)
    return changed.rowcount == 1


def resume(tx: Tx) -> bool:
    """End the pause; False if there was none."""
    changed = tx.execute(
        update(installation)
        .where(installation.c.paused_at.is_not(None))
        .values(paused_at=None, paused_by=None, paused_reason=None)
    )
    touch(tx)
    return changed.rowcount == 1
