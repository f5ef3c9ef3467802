"""The fixtures of services: one SQLite ledger whose clock the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit import Ledger
from tests.ledgers import JOBS
from tests.service.stand_ins import FaultyStore, Heard


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def ledger(sqlite_url: str) -> Iterator[Ledger]:
    """A ledger of one file, with a clock set by hand."""
    ledger = Ledger(sqlite_url, jobs=JOBS)
    yield ledger
    ledger.close()


@pytest.fixture
def store(ledger: Ledger) -> Iterator[FaultyStore]:
    """The service's own way to the ledger; it can be taken away."""
    store = FaultyStore(str(ledger.store.url), now=ledger.clock)
    yield store
    store.close()
