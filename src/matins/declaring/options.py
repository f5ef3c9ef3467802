"""The options that jobs and schedules take, each in one place: for type checkers, and to tell a mistyped name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypedDict

from matins.declaring.selection import Tag
from matins.declaring.shell import Shell
from matins.domain.job import Backoff
from matins.domain.states import Isolation, MissedPolicy, OnDoubt, OnLost, OverlapPolicy

Duration = timedelta | int | float | str
Names = str | list[str] | tuple[str, ...] | set[str] | frozenset[str]
Target = Callable[..., Any] | Shell
Selection = str | Target | Tag | Mapping[str, str] | list[str | Target] | tuple[str | Target, ...]


class JobOptions(TypedDict, total=False):
    """What `Matins.job` takes."""

    name: str | None
    tags: Names
    description: str | None
    timeout: Duration | None
    soft_timeout: Duration | None
    kill_after: Duration | None
    retries: int
    backoff: Backoff | Duration | None
    on_lost: OnLost | str | None
    on_doubt: OnDoubt | str
    isolation: Isolation | str
    memory_limit: int | str | None
    pool: str | None
    priority: int


class ScheduleOptions(TypedDict, total=False):
    """What `Matins.schedule` takes besides its id and trigger."""

    jobs: Selection
    name: str | None
    description: str | None
    args: Mapping[str, Any] | None
    environments: Names | None
    missed: MissedPolicy | str
    grace: Duration | None
    catch_up_window: Duration | None
    catch_up_limit: int
    start_within: Duration | None
    overlap: OverlapPolicy | str
    buffer_limit: int
    jitter: Duration | None
    timeout: Duration | None
    enabled: bool
    parallel: int
    stop_on_failure: bool


JOB_OPTIONS = tuple(JobOptions.__annotations__)
SCHEDULE_OPTIONS = tuple(ScheduleOptions.__annotations__)
