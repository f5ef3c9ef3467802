"""Ledgers that last for a whole session: many small tests cost one migration each database, not one each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases.session import KINDS, Databases
from tests.kit import Ledger


@pytest.fixture(scope="session", params=KINDS)
def lasting_ledger(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Ledger]:
    """A ledger in a database of each kind in turn; who uses it begins by `begin_anew`."""
    url = databases.create(request.param)
    ledger = Ledger(url)
    yield ledger
    ledger.close()
    databases.drop(url)
