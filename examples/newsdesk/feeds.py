"""Fetching a feed and reading its items, whichever of RSS and Atom it speaks."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import feedparser
import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of a feed, as plain text."""

    key: str
    title: str
    link: str
    summary: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What an address answered. `unchanged` means it has nothing newer than `etag` or `last_modified`.

    `key` is what the feed calls itself, so that one that moves keeps its items.
    """

    key: str = ""
    title: str = ""
    items: tuple[Item, ...] = ()
    etag: str = ""
    last_modified: str = ""
    unchanged: bool = False


class FeedError(Exception):
    """The answer is not a feed."""


def fetch(client: httpx.Client, address: str, *, etag: str = "", last_modified: str = "") -> Feed:
    """Fetch a feed, unless it has not changed since it was last fetched.

    Raises:
        httpx.HTTPError: it cannot be had.
        FeedError: what came is not a feed.
    """
    conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    answer = client.get(address, headers={name: value for name, value in conditions.items() if value})
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return Feed(unchanged=True, etag=etag, last_modified=last_modified)
    answer.raise_for_status()
    parsed = parse(answer.content)
    return Feed(
        key=parsed.feed.get("id") or parsed.feed.get("link") or address,
        title=plain(parsed.feed.get("title", "")),
        items=tuple(_item(entry) for entry in parsed.entries),
        etag=answer.headers.get("ETag", ""),
        last_modified=answer.headers.get("Last-Modified", ""),
    )


def parse(content: bytes) -> Any:
    """What feedparser makes of a feed; only what is no feed at all is refused."""
    parsed = feedparser.parse(content)
    if not parsed.version:
        raise FeedError(f"not a feed: {parsed.get('bozo_exception', 'unknown format')}")
    return parsed


def plain(markup: str) -> str:
    """Text without tags, entities resolved, white space evened out."""
    text = _Text()
    text.feed(markup)
    text.close()
    return " ".join("".join(text.parts).split())


def _item(entry: Any) -> Item:
    link = entry.get("link", "")
    moment = entry.get("published_parsed") or entry.get("updated_parsed")
    return Item(
        key=entry.get("id") or link or entry.get("title", ""),
        title=plain(entry.get("title", "")),
        link=link,
        summary=plain(entry.get("summary", "")),
        published_at=datetime.fromtimestamp(calendar.timegm(moment), UTC) if moment else None,
    )


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
