"""A throw-away database: an SQLite file with the schema of this version, deleted with whoever uses it.

The schema is made once a process and then copied, and nothing is forced to disk: a crash of the machine loses a test.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from functools import cache
from pathlib import Path

from sqlalchemy import event

from matins.clock import Clock
from matins.store.engine import Store
from matins.store.migrate import migrate


class TemporaryStore:
    """A store of its own; `close` deletes it, and so does being forgotten."""

    def __init__(self, clock: Clock) -> None:
        directory = tempfile.mkdtemp(prefix="matins-test-")
        file = Path(directory, "ledger.db")
        file.write_bytes(_fresh())
        self.store = _open(file, clock)
        self.close = weakref.finalize(self, _delete, self.store, directory)


@cache
def _fresh() -> bytes:
    """A database as the migrations leave it."""
    with tempfile.TemporaryDirectory(prefix="matins-test-") as directory:
        file = Path(directory, "fresh.db")
        store = _open(file, None)
        migrate(store)
        store.close()
        return file.read_bytes()


def _open(file: Path, clock: Clock | None) -> Store:
    store = Store(f"sqlite:///{file}", pool_size=1, now=clock)
    event.listen(store.engine, "connect", _do_not_wait_for_the_disk)
    return store


def _do_not_wait_for_the_disk(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def _delete(store: Store, directory: str) -> None:
    store.close()
    shutil.rmtree(directory, ignore_errors=True)
