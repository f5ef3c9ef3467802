"""Which schema the database has, and whether it is the one this version needs.

Asked by every command and at every start, so without the tools that migrate: importing those takes longer than most
commands do. Revisions are numbered by their files: ``v0001_first_schema.py`` is ``0001``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import column, inspect, select, table

from matins.errors import SchemaError
from matins.store.engine import Store, Tx

VERSION_TABLE = "matins_schema"
_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Which revision the database is at, and which this version of Matins needs."""

    present: str | None
    needed: str
    known: bool
    """Whether this version knows the database's revision at all; False for one from the future."""

    @property
    def current(self) -> bool:
        """Whether they are the same."""
        return self.present == self.needed


def schema_state(store: Store) -> SchemaState:
    """Read the database's revision.

    Raises:
        DatabaseUnavailable: it cannot be reached.
    """
    present, known = store.read(_revision), revisions()
    return SchemaState(present=present, needed=known[-1], known=present is None or present in known)


def require_schema(store: Store) -> None:
    """Make sure that the schema is the one this version needs.

    Raises:
        SchemaError: it is missing, older or newer.
    """
    state = schema_state(store)
    if state.current:
        return
    shown = store.url.render_as_string(hide_password=True)
    if not state.known:
        raise SchemaError(
            f"The database {shown} has schema {state.present}, which is newer than this version of Matins"
            f" (schema {state.needed}).",
            remedy="Run the newer version.",
        )
    what = "no Matins schema" if state.present is None else f"schema {state.present}, older than {state.needed}"
    raise SchemaError(f"The database {shown} has {what}.", remedy="Run `matins migrate`.")


def revisions() -> list[str]:
    """Every revision this version knows, in order."""
    return sorted(path.name[1:].partition("_")[0] for path in _VERSIONS.glob("v*.py"))


def _revision(tx: Tx) -> str | None:
    if not inspect(tx.connection).has_table(VERSION_TABLE):
        return None
    found: str | None = tx.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    return found
