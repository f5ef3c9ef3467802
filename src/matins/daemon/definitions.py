"""Keeping the rows in line with the code: at start-up, on request, and by a slow sweep.

The user's code is loaded in a child and arrives as data. The sweep heals what no event tells of: schedules that no
live code declares any more, wordings in force that only dead workers knew, and next runs that cannot be right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from matins.daemon.catalogue import Catalogue
from matins.daemon.loop import AT_ONCE, Pause
from matins.daemon.worker import WorkerState
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import ScheduleId
from matins.errors import AppLoadError, DefinitionError, StoreError
from matins.ledger.definitions import SyncedBatch, set_aside_vanished, sync_definitions
from matins.ledger.plans import following_run
from matins.store import schedules, versions, workers
from matins.store.engine import Store, Tx
from matins.store.schedules import Watermark
from matins.store.versions import KnownSchedule
from matins.telemetry.events import (
    DefinitionsSynced,
    EventBus,
    ReloadFailed,
    ScheduleQuarantined,
    ScheduleRepaired,
    SchedulesSetAside,
)

BATCH = 1000
SWEEP_SECONDS = 60.0


class Loaded(Protocol):
    """An application's definitions as data; the schedules can be gone through again and again."""

    @property
    def app(self) -> str: ...

    @property
    def jobs(self) -> Mapping[str, Job]: ...

    @property
    def pools(self) -> Mapping[str, int]: ...

    @property
    def count(self) -> int: ...

    @property
    def hash(self) -> str: ...

    def schedules(self) -> Iterator[ScheduleDefinition]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Code:
    """What this daemon's code declares, as far as running it needs."""

    jobs: Mapping[str, Job] = field(default_factory=dict)
    pools: Sequence[str] = ()


@dataclass(slots=True)
class _Tally:
    added: int = 0
    changed: int = 0
    returned: int = 0
    removed: int = 0

    def add(self, batch: SyncedBatch) -> None:
        self.added += len(batch.added)
        self.changed += len(batch.changed)
        self.returned += len(batch.returned)


class DefinitionKeeper:
    """Loads, synchronises, sweeps."""

    name = "definitions"

    def __init__(
        self,
        *,
        store: Store,
        state: WorkerState,
        code: Code,
        load: Callable[[], Loaded],
        catalogue: Catalogue,
        bus: EventBus,
        changed: Callable[[], None],
        code_replaced: Callable[[], None],
    ) -> None:
        self._store = store
        self._state = state
        self._code = code
        self._load = load
        self._catalogue = catalogue
        self._bus = bus
        self._changed = changed
        self._code_replaced = code_replaced
        self._loaded: Loaded | None = None
        self._reload = threading.Event()

    def ask_reload(self) -> None:
        """Load the code again at the next turn; from any thread."""
        self._reload.set()

    def use(self, loaded: Loaded) -> None:
        """Synchronise freshly loaded definitions and plan by them from now on.

        Raises:
            DefinitionError: they clash with what another application owns in this database.
        """
        version_id, tally = self._synchronise(loaded)
        if self._loaded is not None and self._loaded is not loaded:
            # Before anything new can be claimed: the interpreters that are warm do not know it.
            self._code_replaced()
            self._loaded.close()
        self._loaded = loaded
        self._code.jobs, self._code.pools = dict(loaded.jobs), tuple(loaded.pools)
        self._store.write(lambda tx: workers.adopt_version(tx, self._state.id, version_id))
        self._state.version_id = version_id
        tally.removed = self._set_aside()
        self._bus.emit(
            DefinitionsSynced(
                schedules=loaded.count,
                jobs=len(loaded.jobs),
                added=tally.added,
                changed=tally.changed,
                returned=tally.returned,
                removed=tally.removed,
            )
        )
        self._changed()

    def run_once(self) -> Pause:
        if self._reload.is_set():
            self._reload.clear()
            self._load_again()
        if self._state.version_id is None or not self._state.trusts_lease:
            return Pause(1.0)
        self._set_aside()
        self._reassert()
        version_id = self._state.version_id
        repaired = self._store.write(lambda tx: self._repair(tx, version_id))
        for mark in repaired:
            self._bus.emit(ScheduleRepaired(schedule=mark.id, next_run_at=mark.next_run_at))
        if repaired:
            self._changed()
        return AT_ONCE if len(repaired) >= BATCH else Pause(SWEEP_SECONDS)

    def close(self) -> None:
        """Let go of the loaded definitions."""
        if self._loaded is not None:
            self._loaded.close()

    def _load_again(self) -> None:
        loaded = None
        try:
            loaded = self._load()
            self.use(loaded)
        except (AppLoadError, DefinitionError) as error:
            self._bus.emit(ReloadFailed(error=str(error)))
        except StoreError:
            self._reload.set()  # The code is loaded again once the database is back: nobody asks twice for it.
            raise
        finally:
            if loaded is not None and self._loaded is not loaded:
                loaded.close()

    def _synchronise(self, loaded: Loaded) -> tuple[int, _Tally]:
        def version(tx: Tx) -> tuple[int, bool]:
            versions.lock_app(tx, loaded.app)
            versions.set_pools(tx, loaded.app, loaded.pools)
            return versions.find_or_insert(
                tx,
                app_name=loaded.app,
                environment=self._state.environment,
                hash_=loaded.hash,
                jobs={name: job.to_data() for name, job in loaded.jobs.items()},
                pools=loaded.pools,
            )

        version_id, recorded = self._store.write(version)
        tally = _Tally()
        for batch in _batches(loaded.schedules()):
            self._write_batch(loaded.app, batch, tally, version_id=None if recorded else version_id)
        self._store.write(lambda tx: versions.mark_recorded(tx, version_id, loaded.count))
        return version_id, tally

    def _write_batch(
        self, app: str, batch: Sequence[ScheduleDefinition], tally: _Tally, *, version_id: int | None
    ) -> None:
        def work(tx: Tx) -> SyncedBatch:
            versions.lock_app(tx, app)
            if version_id is not None:
                versions.record_schedules(tx, version_id, [self._known(one) for one in batch])
            return sync_definitions(tx, app, batch)

        while batch:
            done = self._store.write(work)
            tally.add(done)
            batch = done.unfinished

    def _known(self, one: ScheduleDefinition) -> KnownSchedule:
        applies = one.applies_in(self._state.environment)
        return KnownSchedule(schedule_id=one.id, definition_hash=one.hash, applies=applies)

    def _set_aside(self) -> int:
        """Set aside what no live code declares; answers how many schedules that were."""

        def work(tx: Tx) -> tuple[list[ScheduleId], bool]:
            live = self._live(tx)
            ids = versions.vanished(tx, self._state.app, live, BATCH)
            finished = set_aside_vanished(tx, ids) if ids else []
            return finished, bool(ids)

        total = 0
        more = True
        while more:
            finished, more = self._store.write(work)
            if finished:
                total += len(finished)
                self._bus.emit(SchedulesSetAside(schedules=tuple(finished[:20])))
        return total

    def _reassert(self) -> None:
        """Put this code's wording in force where only dead workers knew the present one."""
        version_id, loaded = self._state.version_id, self._loaded
        if version_id is None or loaded is None:
            return
        found = self._store.read(
            lambda tx: versions.reassertable(tx, self._state.app, version_id, self._live(tx), BATCH)
        )
        if found:
            wanted = set(found)
            mine = [one for one in loaded.schedules() if one.id in wanted]
            self._write_batch(loaded.app, mine, _Tally(), version_id=None)
            self._changed()

    def _live(self, tx: Tx) -> set[int]:
        mine = self._state.version_id
        return versions.live_version_ids(tx, self._state.app) | ({mine} if mine is not None else set())

    def _repair(self, tx: Tx, version_id: int) -> list[Watermark]:
        """Compute anew every next run that is missing or cannot be right."""
        suspects = schedules.absurd(tx, version_id, BATCH)
        held = schedules.lock_for_planning(tx, [one.id for one in suspects])
        parsed = self._catalogue.parse(tx, list(held.values()))
        marks = []
        for id_, one in held.items():
            found = parsed[id_]
            if isinstance(found, str):
                schedules.quarantine(tx, id_, found)
                self._bus.emit(ScheduleQuarantined(schedule=id_, reason=found))
                continue
            definition, trigger = found
            through = one.planned_through or tx.now
            following = following_run(trigger, definition, through, tx.now)
            marks.append(
                Watermark(
                    id=id_,
                    planned_through=through,
                    next_run_at=following,
                    never_fires=following is None,
                    disabled_since=one.disabled_since,
                )
            )
        schedules.write_watermarks(tx, marks)
        return marks


def _batches(definitions: Iterable[ScheduleDefinition]) -> Iterator[list[ScheduleDefinition]]:
    iterator = iter(definitions)
    while batch := list(islice(iterator, BATCH)):
        yield batch
