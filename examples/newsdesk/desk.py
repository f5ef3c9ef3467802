"""The desk's own database: feeds, items, and which saved search found what."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from newsdesk.feeds import Feed, Item
from newsdesk.settings import Search

SCHEMA = """
CREATE TABLE IF NOT EXISTS feed (
    key TEXT PRIMARY KEY, title TEXT NOT NULL, address TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY, feed TEXT NOT NULL REFERENCES feed, key TEXT NOT NULL, title TEXT NOT NULL,
    link TEXT NOT NULL, summary TEXT NOT NULL, published_at TEXT, seen_at TEXT NOT NULL, UNIQUE (feed, key)
);
CREATE TABLE IF NOT EXISTS found (
    search TEXT NOT NULL, item_id INTEGER NOT NULL REFERENCES item, PRIMARY KEY (search, item_id)
);
"""


class Desk:
    """What the desk knows. Every method may be repeated: nothing is stored twice."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last_fetch(self, address: str) -> tuple[str, str]:
        """The ETag and Last-Modified a feed was last fetched with."""
        query = "SELECT etag, last_modified FROM feed WHERE address = ?"
        etag, last_modified = self._connection.execute(query, (address,)).fetchone() or ("", "")
        return etag, last_modified

    def keep(self, address: str, feed: Feed) -> int:
        """Store a feed's items, and return how many are new."""
        if feed.unchanged:
            return 0
        now = datetime.now(UTC).isoformat()
        with self._connection:
            self._connection.execute(
                "INSERT INTO feed VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET title = excluded.title,"
                " address = excluded.address, etag = excluded.etag, last_modified = excluded.last_modified",
                (feed.key, feed.title, address, feed.etag, feed.last_modified),
            )
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT INTO item (feed, key, title, link, summary, published_at, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [_row(feed.key, item, now) for item in feed.items],
            )
            return self._connection.total_changes - before

    def match(self, search: Search) -> int:
        """Note which items a search finds, and return how many it had not found before."""
        before = self._connection.total_changes
        rows = self._connection.execute("SELECT id, title || ' ' || summary FROM item").fetchall()
        hits = [(search.name, number) for number, text in rows if finds(search, text)]
        with self._connection:
            self._connection.executemany("INSERT INTO found VALUES (?, ?) ON CONFLICT DO NOTHING", hits)
        return self._connection.total_changes - before

    def digest(self) -> list[tuple[str, list[tuple[str, str, str]]]]:
        """For each search that found anything: title, link and feed of its items, newest first."""
        rows = self._connection.execute(
            "SELECT search, item.title, link, feed.title FROM found JOIN item ON item.id = item_id"
            " JOIN feed ON feed.key = item.feed ORDER BY search, published_at DESC"
        )
        sections: dict[str, list[tuple[str, str, str]]] = {}
        for search, title, link, feed in rows:
            sections.setdefault(search, []).append((title, link, feed))
        return list(sections.items())

    def count(self) -> int:
        """How many items are stored."""
        (number,) = self._connection.execute("SELECT count(*) FROM item").fetchone()
        return int(number)


@contextmanager
def open_desk(path: Path) -> Iterator[Desk]:
    """The desk at `path`, made on first use; several jobs may have it open at once."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        yield Desk(connection)


def finds(search: Search, text: str) -> bool:
    """Whether a text has all of the search's words and none of those it excludes; case and plural do not matter."""
    words = {word.rstrip("s") for word in re.findall(r"\w+", text.lower())}
    wanted, unwanted = ({word.lower().rstrip("s") for word in group} for group in (search.all, search.none))
    return wanted <= words and not unwanted & words


def _row(feed: str, item: Item, now: str) -> tuple[str | None, ...]:
    published = item.published_at.isoformat() if item.published_at else None
    return feed, item.key, item.title, item.link, item.summary, published, now
