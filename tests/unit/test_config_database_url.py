"""DATABASE_URL: what is accepted, what it becomes, and that a password is never shown."""

from __future__ import annotations

import sys

import pytest

from matins.database_url import Backend, Refusal, mask, parse

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "backend", "url"),
    [
        ("sqlite:///matins.db", Backend.SQLITE, "sqlite+pysqlite:///matins.db"),
        ("sqlite:////var/lib/matins.db", Backend.SQLITE, "sqlite+pysqlite:////var/lib/matins.db"),
        ("postgres://me:p@db/x", Backend.POSTGRESQL, "postgresql+psycopg://me:p@db/x"),
        (
            "postgresql://me:p@db:5433/x?sslmode=require",
            Backend.POSTGRESQL,
            "postgresql+psycopg://me:p@db:5433/x?sslmode=require",
        ),
        ("postgresql:///x?host=/run/pg", Backend.POSTGRESQL, "postgresql+psycopg:///x?host=%2Frun%2Fpg"),
        ("POSTGRESQL://db/x", Backend.POSTGRESQL, "postgresql+psycopg://db/x"),
        ("postgresql+psycopg://db/x", Backend.POSTGRESQL, "postgresql+psycopg://db/x"),
        ("mysql://me:p@db/x", Backend.MYSQL, "mysql+pymysql://me:p@db/x"),
        ("mariadb://me:p@db:3307/x", Backend.MYSQL, "mysql+pymysql://me:p@db:3307/x"),
    ],
)
def test_a_bare_url_gets_the_driver_that_matins_uses(text: str, backend: Backend, url: str) -> None:
    found = parse(text)
    assert found.backend is backend
    assert found.url == url


def test_the_password_is_for_the_driver_and_not_for_display() -> None:
    found = parse(f"postgres://me:{SECRET}@db/x?sslpassword={SECRET}&sslmode=require")
    assert found.url.count(SECRET) == 2
    assert SECRET not in found.safe_url
    assert SECRET not in repr(found)
    assert str(found) == found.safe_url
    assert found.safe_url.startswith("postgres://me:***@db/x")
    assert "sslmode=require" in found.safe_url


def test_an_encoded_password_reaches_the_driver_as_it_was_meant() -> None:
    from sqlalchemy.engine.url import make_url

    assert make_url(parse("postgres://me:p%40ss%2Fw@db/x").url).password == "p@ss/w"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a database URL"),
        ("matins.db", "not a database URL"),
        (f"oracle://me:{SECRET}@db/x", "not supported: oracle"),
        (f"postgresql+asyncpg://me:{SECRET}@db/x", "not supported: postgresql+asyncpg"),
        (f"postgres://me:{SECRET}@db", "names no database"),
        (f"postgres://me:{SECRET}@db/", "names no database"),
        (f"mysql://me:{SECRET}@db", "names no database"),
        (f"postgres://me:{SECRET}@db:port/x", "cannot be read"),
        (f"postgres://me:{SECRET}@{SECRET}@db/x", "has an @"),
        (f"postgres://me:x@{SECRET}/{SECRET}@db/x", "has an @"),
        ("sqlite://matins.db", "SQLite is a file"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_remedy_and_without_the_password(text: str, expected: str) -> None:
    with pytest.raises(Refusal) as raised:
        parse(text)
    assert expected in raised.value.what
    assert raised.value.remedy
    assert SECRET not in raised.value.what + raised.value.remedy


@pytest.mark.parametrize(
    ("text", "module", "extra"),
    [("postgres://db/x", "psycopg", "matins[postgres]"), ("mysql://db/x", "pymysql", "matins[mysql]")],
)
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, text: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Refusal) as raised:
        parse(text)
    assert module in raised.value.what
    assert extra in raised.value.remedy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:pw@db/x", "postgres://***@db/x"),
        ("postgres://me:p@w@db/x?a=b", "postgres://***@db/x?***"),
        ("postgres://db/x", "postgres://db/x"),
        ("me:pw@db", "***"),
        ("matins.db", "matins.db"),
    ],
)
def test_masking_an_unreadable_url_keeps_only_what_is_no_secret(text: str, shown: str) -> None:
    assert mask(text) == shown
