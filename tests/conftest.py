"""What every test is given and held to."""

from __future__ import annotations

pytest_plugins = ["tests.databases.plugin", "tests.ledgers", "tests.leaks"]
