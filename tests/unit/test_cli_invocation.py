"""What commands are given: settings, the time as typed, and the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import literal, select

from matins.cli.invocation import Invocation
from matins.clock import ManualClock
from matins.config import Purpose, variables
from matins.errors import ConfigError, SchemaError
from matins.store.migrate import migrate

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_option_app_reaches_the_settings() -> None:
    assert Invocation(app="shop.schedules:app").settings(Purpose.CHECK).app == "shop.schedules:app"


def test_a_typed_time_counts_from_the_calls_clock_and_in_its_zone() -> None:
    call = Invocation(clock=ManualClock(NOW), zone=UTC)
    assert call.time("-1h") == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert call.time("tomorrow 02:00") == datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def test_the_store_is_that_of_database_url_and_is_closed_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/own.db")
    with Invocation().store(any_schema=True) as store:
        migrate(store)
    with Invocation().store() as store:
        assert store.read(lambda tx: tx.execute(select(literal(1))).scalar_one()) == 1
        pool = store.engine.pool
    assert store.engine.pool is not pool


def test_a_command_that_looks_leaves_no_empty_file_behind(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"matins\.db does not exist.*matins migrate"), Invocation().store():
        pytest.fail("a store was opened")
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_the_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "matins.db").touch()
    with pytest.raises(SchemaError, match="Run `matins migrate`"), Invocation().store():
        pytest.fail("a store was opened")


def test_no_store_is_opened_with_faulty_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "oracle://db/x")
    with pytest.raises(ConfigError, match="oracle"), Invocation().store():
        pytest.fail("a store was opened")
