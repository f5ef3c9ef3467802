"""Pause the whole installation and resume it, and drain one worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from matins.admin import audit, lookup, shaping
from matins.admin.actor import Actor, checked_reason
from matins.admin.records import WorkerRecord
from matins.domain.states import WorkerStatus
from matins.errors import ConflictError
from matins.store import installation, operators
from matins.store.engine import Store, Tx

INSTALLATION = "installation"
"""The audit's target of what concerns everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseState:
    """Whether anything new starts, and who stopped it since when and why. `changed`: whether this call changed it."""

    paused: bool
    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None
    changed: bool


def pause(store: Store, actor: Actor, *, reason: str | None = None) -> PauseState:
    """Start nothing new from now on; what runs goes on. A pause in force is left as it is."""
    why = checked_reason(reason)

    def work(tx: Tx) -> PauseState:
        changed = installation.pause(tx, actor.name, why)
        if changed:
            after = {"paused": True}
            audit.note(tx, actor, "pause", INSTALLATION, reason=why, before={"paused": False}, after=after)
        return _state(tx, changed=changed)

    return store.write(work)


def resume(store: Store, actor: Actor, *, reason: str | None = None) -> PauseState:
    """End the pause, if there is one."""
    why = checked_reason(reason)

    def work(tx: Tx) -> PauseState:
        before = installation.read_pause(tx)
        changed = installation.resume(tx)
        if changed and before is not None:
            told = {"paused": True, "by": before.by, "at": before.at.isoformat(), "reason": before.reason}
            audit.note(tx, actor, "resume", INSTALLATION, reason=why, before=told, after={"paused": False})
        return _state(tx, changed=changed)

    return store.write(work)


def pause_state(store: Store) -> PauseState:
    """Whether the installation is paused."""
    return store.read(lambda tx: _state(tx, changed=False))


def drain(store: Store, actor: Actor, worker_id: str, *, reason: str | None = None) -> WorkerRecord:
    """Ask one worker to start nothing new; it notices at its next heartbeat. Asking again changes nothing.

    Raises:
        NotFoundError: there is no such worker.
        ConflictError: it has ended already.
    """
    why = checked_reason(reason)

    def work(tx: Tx) -> WorkerRecord:
        row = lookup.worker_row(tx, worker_id, lock=True)
        if row.status != WorkerStatus.RUNNING:
            raise ConflictError(
                f"Worker {worker_id!r} has ended already: it is {row.status}.",
                remedy="`matins workers` lists those that run.",
            )
        if row.drain_requested_at is None:
            operators.drain(tx, row.id)
            installation.touch(tx)
            audit.note(tx, actor, "drain", row.id, reason=why, before={"draining": False}, after={"draining": True})
        return shaping.worker(lookup.worker_row(tx, worker_id), tx.now)

    return store.write(work)


def _state(tx: Tx, *, changed: bool) -> PauseState:
    found = installation.read_pause(tx)
    return PauseState(
        paused=found is not None,
        paused_at=found.at if found else None,
        paused_by=found.by if found else None,
        paused_reason=found.reason if found else None,
        changed=changed,
    )
