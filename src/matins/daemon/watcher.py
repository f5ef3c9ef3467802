"""The watcher: one single-row read a second, so that what operators change is noticed within a second.

It also notices runs that wait although nothing here knows of them: planned or given back by a daemon that has no slot
free for them, or has gone since.
"""

from __future__ import annotations

from collections.abc import Callable

from matins.daemon.loop import Pause
from matins.daemon.worker import WorkerState
from matins.store import installation
from matins.store.engine import Store
from matins.telemetry.events import EventBus, PauseChanged

LOOK_SECONDS = 1.0


class Watcher:
    """Notices changes."""

    name = "watcher"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        bus: EventBus,
        changed: Callable[[], None],
        notify: Callable[[], None],
    ) -> None:
        self._store = store
        self._state = state
        self._bus = bus
        self._changed = changed
        self._notify = notify
        self._revision: int | None = None

    def run_once(self) -> Pause:
        signal = self._store.read(lambda tx: installation.read_signal(tx, self._state.app))
        if signal.paused != self._state.paused:
            self._state.paused = signal.paused
            self._bus.emit(PauseChanged(paused=signal.paused))
        if signal.revision != self._revision:
            self._revision = signal.revision
            self._changed()
        elif signal.waiting:
            self._notify()
        return Pause(LOOK_SECONDS)
