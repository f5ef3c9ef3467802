"""Databases that last for a whole session: many small tests cost one migration each database, not one each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matins.store.engine import Store
from matins.store.migrate import migrate
from tests.databases.session import KINDS, Databases


@pytest.fixture(scope="session", params=KINDS)
def lasting_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A migrated database of each kind in turn; each test wipes it when it is done."""
    url = databases.create(request.param)
    store = Store(url)
    migrate(store)
    store.close()
    yield url
    databases.drop(url)
