"""Whether anybody is there to run what was asked for; said on standard error, so that nobody waits in the dark."""

from __future__ import annotations

from matins.admin.records import WorkerRecord
from matins.admin.workers import DaemonStatus, daemon_status
from matins.cli import output
from matins.cli.tables import clean
from matins.domain.states import WorkerStatus
from matins.store.engine import Store

NOBODY = "No daemon is alive to run it: start one by `matins daemon` or `matins up`."


def tell_if_nothing_starts(store: Store, app: str | None = None) -> None:
    """Say what keeps new work from starting, if anything does.

    Args:
        store: The database.
        app: The application whose daemons count; None for any.
    """
    status = daemon_status(store)
    if status.paused:
        by = f" by {clean(status.paused_by)}" if status.paused_by else ""
        output.note(f"The installation is paused{by}: it starts after `matins resume`.")
    mine = [one for one in status.workers if is_alive(one, status) and app in (None, one.app)]
    if not mine:
        output.note(NOBODY)
    elif all(one.draining for one in mine):
        output.note("Every daemon is being drained and starts nothing new: start another by `matins daemon`.")


def is_alive(worker: WorkerRecord, status: DaemonStatus) -> bool:
    """Whether the worker's lease still holds."""
    return worker.status == WorkerStatus.RUNNING and worker.lease_until > status.checked_at
