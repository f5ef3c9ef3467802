"""Bringing the schema up: by many at once, over again, over what another left half done, and never downwards."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import inspect, text

from matins.errors import SchemaError
from matins.store.engine import Store
from matins.store.migrate import VERSION_TABLE, migrate, require_schema, schema_state
from matins.store.tables import metadata

MIGRATE = (
    "import sys\n"
    "from matins.store.engine import Store\n"
    "from matins.store.migrate import migrate, require_schema\n"
    "store = Store(sys.argv[1])\n"
    "sys.stdin.readline()\n"
    "print(migrate(store))\n"
    "require_schema(store)\n"
    "store.close()\n"
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def tables(store: Store) -> set[str]:
    return set(inspect(store.engine).get_table_names())


def execute(store: Store, statement: str) -> None:
    store.write(lambda tx: tx.execute(text(statement)))


def test_six_connections_at_once_migrate_an_empty_database_once(store: Store) -> None:
    url = store.url.render_as_string(hide_password=False)
    hands = [Store(url) for _ in range(6)]
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda hand=hand: answers.append(migrate(hand))) for hand in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for hand in hands:
        hand.close()
    assert len(answers) == 6
    assert any(answers)
    assert tables(store) >= set(metadata.tables)


@pytest.mark.slow
def test_six_processes_at_once_migrate_an_empty_database_once(store: Store) -> None:
    url = store.url.render_as_string(hide_password=False)
    hands = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for hand in hands:
        assert hand.stdin is not None
        hand.stdin.write("go\n")
        hand.stdin.flush()
    ends = [(*hand.communicate(timeout=90), hand.returncode) for hand in hands]
    assert [code for _, _, code in ends] == [0] * 6, [error[-600:] for _, error, code in ends if code]
    assert {answer.strip() for answer, _, _ in ends} <= {"True", "False"}
    assert "True" in [answer.strip() for answer, _, _ in ends]
    assert tables(store) >= set(metadata.tables)
    assert store.read(lambda tx: tx.execute(text("SELECT count(*) FROM installation")).scalar_one()) == 1


def test_migrating_again_changes_nothing(store: Store) -> None:
    assert migrate(store)
    assert not migrate(store)
    require_schema(store)


def test_every_table_and_column_that_statements_use_is_there(store: Store) -> None:
    migrate(store)
    found = inspect(store.engine)
    for table in metadata.sorted_tables:
        columns = {column["name"] for column in found.get_columns(table.name)}
        assert columns == {column.name for column in table.columns}, table.name
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        assert indexes >= {index.name for index in table.indexes}, table.name


def test_a_newer_schema_is_refused_plainly_and_left_alone(store: Store) -> None:
    migrate(store)
    execute(store, f"UPDATE {VERSION_TABLE} SET version_num = 'from2099'")
    for refuse in (migrate, require_schema):
        with pytest.raises(SchemaError, match="from2099, which is newer than this version") as raised:
            refuse(store)
        assert "\n" not in str(raised.value)
    assert schema_state(store).present == "from2099"


def test_a_missing_schema_is_named_with_its_remedy(store: Store) -> None:
    with pytest.raises(SchemaError, match=r"no Matins schema.*Run `matins migrate`"):
        require_schema(store)


def test_a_migration_that_stopped_halfway_is_finished_by_the_next(store: Store) -> None:
    migrate(store)
    for table in ("job_log", "job_run", "audit_event"):
        execute(store, f"DROP TABLE {table}")
    if store.dialect.name == "mariadb":
        execute(store, "DROP INDEX ix_job_schedule_app ON job_schedule")
    else:
        execute(store, "DROP INDEX ix_job_schedule_app")
    execute(store, f"DELETE FROM {VERSION_TABLE}")
    assert migrate(store)
    require_schema(store)
    assert tables(store) >= set(metadata.tables)
    assert "ix_job_schedule_app" in {index["name"] for index in inspect(store.engine).get_indexes("job_schedule")}
    assert store.read(lambda tx: tx.execute(text("SELECT count(*) FROM installation")).scalar_one()) == 1


def test_a_schema_read_by_a_process_that_may_not_migrate_is_only_read(store: Store) -> None:
    state = schema_state(store)
    assert (state.present, state.current, state.known) == (None, False, True)
    assert tables(store) == set()
