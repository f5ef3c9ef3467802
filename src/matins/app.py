"""`Matins`: where users declare jobs, pools and schedules.

Declaring never raises for a faulty value: what is wrong is kept with its place and reported all at once when the
definitions are taken. Nothing runs here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, Unpack, overload

from matins.declaring.jobs import MAX_POOL_LENGTH, DeclaredJob, read_job
from matins.declaring.options import JobOptions, ScheduleOptions, Target
from matins.declaring.place import declared_at
from matins.declaring.reader import Reader, name_fault, near
from matins.declaring.schedules import DeclaredSchedule, Store, Surroundings, read_schedule, stored_in_process
from matins.declaring.selection import Candidates
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.domain.triggers import Trigger
from matins.errors import DefinitionError, Fault, NotFoundError

MAX_APP_NAME_LENGTH = 100
MAX_POOL_LIMIT = 1_000_000

J = TypeVar("J", bound=Target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Everything an app declares, as data, found without fault."""

    app: str
    jobs: dict[str, Job]
    pools: dict[str, int]
    schedules: tuple[ScheduleDefinition, ...]


class Matins:
    """An application's jobs and schedules.

    Args:
        name: Tells this app from others that share its database.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self._jobs: dict[str, DeclaredJob] = {}
        self._name_of: dict[int, str] = {}
        self._targets: list[Any] = []
        self._pools: dict[str, int] = {}
        self._schedules: list[DeclaredSchedule] = []
        self._faults: list[Fault] = []
        wrong = name_fault(name, MAX_APP_NAME_LENGTH)
        if wrong:
            self._note(declared_at(), f"the app's name {name!r:.80} {wrong}.", "Write Matins(name='shop').")

    @overload
    def job(self, target: J, /, **options: Unpack[JobOptions]) -> J: ...

    @overload
    def job(self, /, **options: Unpack[JobOptions]) -> Callable[[J], J]: ...

    def job(self, target: Any = None, /, **options: Any) -> Any:
        """Declare a job, as a decorator with or without options, or of a ``shell(…)`` command.

        A function may take the run's context, as a parameter named ``ctx``; its other parameters are filled from the
        run's arguments by name.

        Args:
            target: The function or shell command.
            **options: ``name`` (the function's own by default), ``tags``, ``description``, ``timeout``,
                ``soft_timeout`` (warns before it), ``kill_after`` (between SIGTERM and SIGKILL), ``retries``,
                ``backoff``, ``on_lost`` (``retry`` by default where there are retries, else ``fail``), ``on_doubt``,
                ``isolation``, ``memory_limit``, ``pool``, ``priority``.

        Returns:
            What was declared, unchanged; without a target, a decorator.
        """
        where = declared_at()
        if target is not None:
            return self._declare(target, where, options)
        return lambda function: self._declare(function, where, options)

    def add_job(self, target: J, /, **options: Unpack[JobOptions]) -> J:
        """Declare a function or ``shell(…)`` command as a job; the same as `job`, for where no decorator stands."""
        self._declare(target, declared_at(), options)
        return target

    def pool(self, name: str, *, limit: int) -> None:
        """Declare a pool: at most `limit` of the jobs that name it run at once, over all daemons together."""
        where = declared_at()
        reader = Reader(where, f"pool {name!r:.80}", {"limit": limit})
        wrong = name_fault(name, MAX_POOL_LENGTH)
        if wrong:
            reader.fault(f"the name {wrong}.")
        elif name in self._pools:
            reader.fault("it is declared twice.", "Declare each pool once.")
        size = reader.whole("limit", 1, 1, MAX_POOL_LIMIT)
        if not wrong:
            self._pools.setdefault(name, size)
        self._faults.extend(reader.faults)

    def schedule(self, id: str, trigger: Trigger, **options: Unpack[ScheduleOptions]) -> None:
        """Declare a schedule: when its trigger fires, the selected jobs run, in their order.

        Args:
            id: Its identity for ever: at most 50 characters.
            trigger: ``cron(…)``, ``every(…)``, ``at(…)``, or any object with ``next_after``.
            **options: ``jobs`` (``"*"``, a name, a function, a list of these, ``{"tag": "feed"}`` or ``tag("feed")``),
                ``name`` and ``description`` for people, ``args`` (JSON), ``environments`` (all by default),
                ``missed`` (``skip``, ``run_once``, ``run_all``), ``grace``, ``catch_up_window``, ``catch_up_limit``,
                ``start_within``, ``overlap`` (``skip``, ``buffer_one``, ``buffer_all``, ``allow``,
                ``cancel_running``), ``buffer_limit``, ``jitter``, ``timeout``, ``enabled`` (whether it arrives
                enabled), ``parallel``, ``stop_on_failure``.
        """
        self._schedules.append(DeclaredSchedule(id=id, trigger=trigger, options=options, where=declared_at()))

    def get_job(self, name: str) -> DeclaredJob:
        """A declared job, for those who run it.

        Raises:
            NotFoundError: When there is none of this name.
        """
        try:
            return self._jobs[name]
        except KeyError:
            raise NotFoundError(f"There is no job {name!r} in this app.", remedy=near(name, self._jobs)) from None

    def faults(self) -> list[Fault]:
        """Everything wrong with what is declared so far, in the order of the code; users' own triggers are not asked."""
        return self._read(lambda trigger: {"kind": "custom"})[1]

    def definitions(self, since: datetime, *, store: Store | None = None) -> Definitions:
        """Everything declared, as data.

        Args:
            since: From when on the fires of users' own triggers are kept.
            store: How such a trigger becomes data; by default it is asked here and now.

        Raises:
            DefinitionError: With all faults at once.
        """
        schedules, faults = self._read(store or stored_in_process(since))
        if faults:
            raise DefinitionError(faults)
        jobs = {name: declared.definition for name, declared in self._jobs.items()}
        return Definitions(app=self.name, jobs=jobs, pools=dict(self._pools), schedules=tuple(schedules))

    def _declare(self, target: Any, where: str, options: Any) -> Any:
        declared, faults = read_job(target, where, options)
        self._faults.extend(faults)
        if declared is None:
            return target
        name = declared.definition.name
        if name in self._jobs:
            first = self._jobs[name].definition.defined_at
            self._note(where, f"job {name!r} is declared twice, first at {first}.", "Give one of them name='…'.")
            return target
        self._jobs[name] = declared
        self._name_of.setdefault(id(target), name)
        self._targets.append(target)  # keeps it alive, so that its identity stays its own
        return target

    def _read(self, store: Store) -> tuple[list[ScheduleDefinition], list[Fault]]:
        faults = [*self._faults, *self._pool_faults()]
        jobs = {name: declared.definition for name, declared in self._jobs.items()}
        around = Surroundings(candidates=Candidates(jobs=jobs, name_of=self._name_of), jobs=self._jobs, store=store)
        found: dict[str, ScheduleDefinition] = {}
        for declared in self._schedules:
            definition, wrong = read_schedule(declared, around)
            faults.extend(wrong)
            if definition is not None and definition.id in found:
                first = found[definition.id].defined_at
                faults.append(
                    Fault(
                        where=declared.where,
                        what=f"schedule {definition.id!r} is declared twice, first at {first}.",
                        remedy="Give each schedule an id of its own.",
                    )
                )
            elif definition is not None:
                found[definition.id] = definition
        return list(found.values()), faults

    def _pool_faults(self) -> list[Fault]:
        return [
            Fault(
                where=declared.definition.defined_at,
                what=f"job {name!r}: there is no pool {declared.definition.pool!r}.",
                remedy=near(declared.definition.pool, self._pools) or "Declare it with app.pool(name, limit=…).",
            )
            for name, declared in self._jobs.items()
            if declared.definition.pool is not None and declared.definition.pool not in self._pools
        ]

    def _note(self, where: str, what: str, remedy: str) -> None:
        self._faults.append(Fault(where=where, what=what, remedy=remedy))
