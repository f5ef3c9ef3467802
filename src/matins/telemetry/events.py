"""Facts, in the past tense, as the services state them. Nothing here decides how they are worded or counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarting(Event):
    """The daemon was asked to start."""

    environment: str
    version: str
    app: str
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonDisabled(Event):
    """The daemon is switched off by setting and ends."""

    setting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRegistered(Event):
    """This process has a row and a lease."""

    worker: str
    host: str
    pid: int
    lease_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsSynced(Event):
    """The rows are in line with the code."""

    schedules: int
    jobs: int
    added: int
    changed: int
    returned: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFailed(Event):
    """The code could not be loaded again; the definitions known before stay in force."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledLocksReleased(Event):
    """Runs of workers that are gone were recovered."""

    workers: tuple[str, ...]
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted(Event):
    """All services run."""

    worker: str
    schedules_enabled: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingStarted(Event):
    """The scheduler looks at what is due, now and whenever something falls due."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FiresPlanned(Event):
    """Fires of one schedule were written to the ledger."""

    schedule: str
    planned: int
    skipped: int
    reasons: tuple[str, ...]
    latest: datetime | None
    late_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlanned(Event):
    """Fires of many schedules were written together."""

    schedules: int
    planned: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRepaired(Event):
    """A next run that could not be right was computed anew."""

    schedule: str
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleQuarantined(Event):
    """A schedule whose row or definition cannot be used was set aside."""

    schedule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesSetAside(Event):
    """No live code declares these schedules any more."""

    schedules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegan(Event):
    """A job's code was called."""

    run: int
    job: str
    schedule: str | None
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """An attempt has its outcome in the ledger."""

    run: int
    job: str
    schedule: str | None
    attempt: int
    status: str
    seconds: float
    error: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecorded(Event):
    """The outcomes of many runs were recorded together."""

    runs: int
    succeeded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlanned(Event):
    """Another attempt follows."""

    run: int
    job: str
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceEnded(Event):
    """A fire or request has its outcome."""

    occurrence: int
    schedule: str | None
    kind: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishCameLate(Event):
    """A run had been taken from this worker before its outcome could be recorded; nothing was changed."""

    run: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUnstorable(Event):
    """An outcome could not be stored as it was; the run was recorded as failed with the reason."""

    run: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotTroubled(Event):
    """A slot cannot run jobs."""

    slot: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied(Event):
    """Another worker's lease ran out."""

    worker: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLapsed(Event):
    """This worker could not renew its lease in time and stopped its jobs."""

    worker: str
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredDead(Event):
    """Others took this worker for dead; it goes on under a new identity."""

    worker: str
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFailed(Event):
    """A service met trouble and will try again."""

    service: str
    error: str
    failures: int
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecovered(Event):
    """A service that had met trouble works again."""

    service: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseChanged(Event):
    """The installation was paused or resumed."""

    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequested(Event):
    """An operator asked this worker to start nothing new."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPruned(Event):
    """Old history was rolled up and deleted."""

    occurrences: int
    logs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """A stop was asked for; nothing new starts."""

    signal: str
    running: int
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCheckDone(Event):
    """The scheduler has looked for the first time at what is due."""

    due: int
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStopped(Event):
    """Nothing is planned or claimed here any more; what runs may go on for a while."""

    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(Event):
    """Nothing runs here any more."""

    interrupted: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReleased(Event):
    """The worker's row says that it has ended; nobody needs to wait for its lease."""

    worker: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHurried(Event):
    """A second signal: running jobs are stopped now."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped(Event):
    """All is recorded, released and closed."""

    worker: str
    interrupted: int


Listener = Callable[[Event], None]


class EventBus:
    """Tells every listener, one after the other, on the thread that states the fact."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        """State a fact. A listener that fails is none of the teller's trouble."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001, S112 - telling must never stop what is told about
                continue
