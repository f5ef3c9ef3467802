"""What ``matins doctor`` finds out, one function a matter; each answers with findings and never raises."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

from matins import config
from matins.admin.health import health
from matins.cli import times
from matins.cli.definitions import loaded
from matins.cli.invocation import Invocation
from matins.config import Purpose, Settings
from matins.database_url import Backend
from matins.domain.job import Job
from matins.errors import AppLoadError, ConfigError, DefinitionError, StoreError
from matins.store.engine import Store, Tx
from matins.store.schema import require_schema, schema_state

SKEW_SECONDS = 2.0
"""From so much on the clocks differ enough to confuse people who compare logs; nothing else depends on it."""
SCARCE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 64 << 20
ZONE = "America/New_York"


class Grade(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One matter: how it is, and what to do where it is not well."""

    check: str
    grade: Grade
    what: str
    remedy: str = ""


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check=check, grade=Grade.OK, what=what)


def unexamined(check: str) -> Finding:
    """It could not be looked at."""
    return Finding(check=check, grade=Grade.WARNING, what="not looked at, as the settings are at fault")


def examine_settings(call: Invocation) -> tuple[Settings | None, list[Finding]]:
    """The settings that reading commands need, and what is wrong with any."""
    found = [_warning("settings", str(fault)) for fault in config.mistyped()]
    try:
        settings = call.settings(Purpose.CHECK)
    except ConfigError as error:
        found += [
            Finding(check="settings", grade=Grade.FAULT, what=f"{fault.where}: {fault.what}", remedy=fault.remedy)
            for fault in error.faults
        ]
        return _readable(call), found
    found += [_warning("settings", str(fault)) for fault in settings.warnings()]
    return settings, found or [ok("settings", f"valid, for {settings.environment}")]


def _readable(call: Invocation) -> Settings | None:
    """The settings as far as the database needs them, where others are at fault."""
    try:
        return call.settings(Purpose.READ)
    except ConfigError:
        return None


def _warning(check: str, what: str) -> Finding:
    return Finding(check=check, grade=Grade.WARNING, what=what)


def examine_database(call: Invocation, settings: Settings) -> Iterator[Finding]:
    """Whether it is reached, which it is, its schema, its clock and its room."""
    file = _sqlite_file(settings)
    if file is not None:
        yield _room(file)
        if not file.exists():
            what = f"{settings.database.safe_url} does not exist yet"
            yield Finding(check="database", grade=Grade.FAULT, what=what, remedy="Run `matins migrate`.")
            return
    store = Store(settings.database.url)
    try:
        yield _reached(store, settings)
        yield _schema(store)
        yield _clock(call, store)
        yield from _daemons(store)
    except StoreError as error:
        yield _fault("database", error)
    finally:
        store.close()


def _reached(store: Store, settings: Settings) -> Finding:
    return ok("database", f"{settings.database.safe_url} is reached: {store.read(_server)}")


def _server(tx: Tx) -> str:
    dialect = tx.connection.dialect
    if tx.dialect.name == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    name = {"postgresql": "PostgreSQL"}.get(tx.dialect.name, "MariaDB" if _is_mariadb(dialect) else "MySQL")
    return f"{name} {'.'.join(map(str, dialect.server_version_info or ()))}"


def _is_mariadb(dialect: object) -> bool:
    return bool(getattr(dialect, "is_mariadb", False))


def _schema(store: Store) -> Finding:
    try:
        require_schema(store)
    except StoreError as error:
        return _fault("schema", error)
    return ok("schema", f"{schema_state(store).needed}, which this version needs")


def _clock(call: Invocation, store: Store) -> Finding:
    before = call.now()
    theirs = store.read(lambda tx: tx.now)
    after = call.now()
    # The database was read at some moment between the two: only what lies outside them is certain.
    ahead = max((theirs - after).total_seconds(), (before - theirs).total_seconds(), 0.0)
    if ahead < SKEW_SECONDS:
        return ok("clock", "this machine and the database agree")
    which = "ahead of" if theirs > after else "behind"
    return Finding(
        check="clock",
        grade=Grade.WARNING,
        what=f"the database is {times.duration(ahead)} {which} this machine; schedules go by the database's clock",
        remedy="Set both by NTP.",
    )


def _daemons(store: Store) -> Iterator[Finding]:
    if not schema_state(store).current:
        return
    found = health(store)
    for problem in found.problems:
        yield Finding(check="daemon", grade=Grade.WARNING, what=problem.what, remedy=problem.remedy)
    if found.healthy:
        yield ok("daemon", "running, and schedules are on time")


def _sqlite_file(settings: Settings) -> Path | None:
    if settings.database.backend is not Backend.SQLITE:
        return None
    from sqlalchemy import make_url

    return Path(make_url(settings.database.url).database or "").absolute()


def _room(file: Path) -> Finding:
    folder = file.parent
    if not folder.is_dir():
        what = f"the folder {folder} of the database does not exist"
        return Finding(check="disk", grade=Grade.FAULT, what=what, remedy="Make it, or correct DATABASE_URL.")
    free = shutil.disk_usage(folder).free
    what = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free >= SCARCE_BYTES:
        return ok("disk", what)
    grade = Grade.FAULT if free < TOO_LITTLE_BYTES else Grade.WARNING
    return Finding(check="disk", grade=grade, what=what, remedy="Make room: a full disk stops all scheduling.")


def examine_zones() -> Finding:
    """Whether named time zones can be read."""
    try:
        ZoneInfo(ZONE).utcoffset(datetime(2026, 1, 1))  # noqa: DTZ001 - any day will do
    except (KeyError, OSError, ValueError) as error:
        remedy = "Install the tzdata package, of the system or of Python."
        return Finding(check="time zones", grade=Grade.FAULT, what=f"{ZONE} cannot be read: {error}", remedy=remedy)
    of_system = next((path for path in TZPATH if (Path(path) / ZONE).exists()), None)
    return ok("time zones", f"read from {of_system or 'the tzdata package'}")


def examine_app(call: Invocation) -> tuple[list[Finding], Sequence[Job]]:
    """Whether the app can be loaded, and its jobs if so."""
    app, _ = config.essentials(call.app)
    if app is None:
        # Settings have told that none is named.
        return [], ()
    try:
        with loaded(call) as found:
            return [ok("app", f"{app} loads: {len(found.jobs)} jobs, {found.count} schedules")], [*found.jobs.values()]
    except DefinitionError as error:
        return [
            Finding(check="app", grade=Grade.FAULT, what=f"{fault.where}: {fault.what}", remedy=fault.remedy)
            for fault in error.faults
        ], ()
    except AppLoadError as error:
        return [Finding(check="app", grade=Grade.FAULT, what=error.message, remedy=error.remedy or "")], ()


def examine_executables(jobs: Sequence[Job]) -> list[Finding]:
    """Whether the programs that shell jobs begin with are there; for the daemon's user that may be different."""
    commands = {job.name: job.command for job in jobs if job.command is not None}
    if not commands:
        return []
    missing = [(name, program) for name, command in commands.items() if (program := _missing(command)) is not None]
    if not missing:
        return [ok("executables", f"those of {len(commands)} shell jobs are found")]
    return [
        Finding(
            check="executables",
            grade=Grade.WARNING,
            what=f"job {name!r} begins with {program!r}, which is not found",
            remedy="Install it, or correct PATH where the daemon runs.",
        )
        for name, program in missing
    ]


def _missing(command: str | tuple[str, ...]) -> str | None:
    """The program a command begins with, if it is not there."""
    if not isinstance(command, str):
        return None if shutil.which(command[0]) else command[0]
    first, *_ = command.split() or [""]
    if not first.replace("-", "").replace("_", "").replace(".", "").replace("/", "").isalnum():
        return None  # more than a plain word: only the shell can tell
    known = subprocess.run(["/bin/sh", "-c", 'command -v -- "$1"', "sh", first], capture_output=True, check=False)
    return None if known.returncode == 0 else first


def examine_broker(settings: Settings) -> Finding:
    """What hands runs to other machines."""
    if settings.executor == "local":
        return ok("broker", "none configured: jobs run on the daemon's machine (MATINS_EXECUTOR=local)")
    return Finding(
        check="broker",
        grade=Grade.FAULT,
        what=f"MATINS_EXECUTOR={settings.executor} is not configured",
        remedy="Leave MATINS_EXECUTOR unset for local.",
    )


def _fault(check: str, error: StoreError) -> Finding:
    return Finding(check=check, grade=Grade.FAULT, what=error.message, remedy=error.remedy or "")
