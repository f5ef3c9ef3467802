"""Every fault Matins raises on purpose, in one tree.

    MatinsError                     base; carries a stable ``code`` and a remedy
    ├── UsageError                  the call itself is wrong (CLI exit 2)
    │   └── ConfigError             settings; all faults at once
    ├── DefinitionError             a job or schedule is declared wrongly; all faults at once
    │   └── TriggerError            a cron expression, interval or instant that cannot be read
    │       └── FiresExhausted      a user's own trigger, asked past the fires that are stored of it
    ├── AppLoadError                the user's application cannot be imported
    ├── NotFoundError               no such schedule, job, run, occurrence or worker
    ├── ConflictError               the thing exists but its state forbids the request
    ├── StoreError                  the database
    │   ├── DatabaseUnavailable     away for now: services wait it out, commands exit 1
    │   └── SchemaError             reached, but its schema is missing, older or newer
    └── LeaseLost                   this worker may no longer act on what it held

A code is stable: scripts, the HTTP API and the logs share it. A class's docstring is its default message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class MatinsError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class UsageError(MatinsError):
    """The command was used wrongly."""

    code = "usage"
    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in a definition or a setting: where it stands, what it is, what to do."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        return f"{text} {self.remedy}" if self.remedy else text


class _Faults(MatinsError):
    """Several faults, reported together."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigError(_Faults, UsageError):
    """Settings are invalid."""

    code = "invalid_settings"


class DefinitionError(_Faults):
    """A job or a schedule is declared wrongly."""

    code = "invalid_definition"


class TriggerError(MatinsError, ValueError):
    """A trigger cannot be read."""

    code = "invalid_trigger"
    exit_code = 2


class FiresExhausted(TriggerError):
    """The stored fires of this trigger are used up; loading the application again computes the next ones."""

    code = "fires_exhausted"


class AppLoadError(MatinsError):
    """The application cannot be imported.

    `detail` is for those who ask: a short traceback, or the last lines that the loading process wrote to stderr.
    """

    code = "app_not_loadable"

    def __init__(self, message: str | None = None, *, remedy: str | None = None, detail: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.detail = detail


class NotFoundError(MatinsError):
    """No such thing."""

    code = "not_found"


class ConflictError(MatinsError):
    """The present state forbids this."""

    code = "conflict"


class StoreError(MatinsError):
    """The database refused."""

    code = "store"


class DatabaseUnavailable(StoreError):
    """The database cannot be reached."""

    code = "database_unavailable"


class SchemaError(StoreError):
    """The database's schema is not the one this version needs."""

    code = "wrong_schema"


class LeaseLost(MatinsError):
    """This worker's lease is over."""

    code = "lease_lost"
