"""What every command is given: the global options, the clock, the reader's zone, and settings when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matins.cli.time_input import parse_time
from matins.clock import Clock, SystemClock
from matins.errors import SchemaError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from matins.config import Purpose, Settings
    from matins.database_url import DatabaseUrl
    from matins.store.engine import Store

JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON, times in UTC.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; the audit keeps it.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow its output; exit 0 if it succeeds, else 1.")]
ArgsOption = Annotated[str | None, typer.Option("--args", metavar="JSON", help="Arguments for the jobs: an object.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of the command line."""

    app: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    zone: tzinfo | None = None
    """The reader's zone; None is the machine's."""

    def settings(self, purpose: Purpose | None = None) -> Settings:
        """The settings for `purpose`, by default for a command that reads.

        Raises:
            ConfigError: with every fault there is.
        """
        # Imported here: pydantic costs more than a command that needs no settings takes in all.
        from matins.config import Purpose, load

        return load(purpose or Purpose.READ, app=self.app)

    @property
    def environment(self) -> str:
        """The environment this shell is set to."""
        from matins.config import essentials

        return essentials(self.app)[1]

    @contextmanager
    def store(self, *, any_schema: bool = False) -> Iterator[Store]:
        """The database, for as long as the command needs it.

        Args:
            any_schema: Leave the schema unlooked at, for commands that make or judge it; it then connects on first use.

        Raises:
            ConfigError: With every fault of the settings there is.
            SchemaError: The schema is missing, older or newer.
            DatabaseUnavailable: The database cannot be reached.
        """
        settings = self.settings()
        from matins.store.engine import Store
        from matins.store.schema import require_schema

        store = Store(settings.database.url)
        try:
            if not any_schema:
                _require_file(store.url, settings.database)
                require_schema(store)
            yield store
        finally:
            store.close()

    def now(self) -> datetime:
        """The present, for distances and relative times."""
        return self.clock.now()

    def time(self, text: str) -> datetime:
        """A time as typed, as a UTC instant."""
        return parse_time(text, now=self.now(), zone=self.zone)


def invocation(context: Any) -> Invocation:
    """The call that a command's context belongs to."""
    found = context.find_object(Invocation)
    return found if isinstance(found, Invocation) else Invocation()


def _require_file(url: URL, database: DatabaseUrl) -> None:
    """Keep a command that only looks from leaving an empty SQLite file behind."""
    if database.backend == "sqlite" and not Path(url.database or "").exists():
        raise SchemaError(
            f"The database {database.safe_url} does not exist.",
            remedy="Run `matins migrate`, or `matins up`, in the folder it belongs to, or set DATABASE_URL.",
        )
