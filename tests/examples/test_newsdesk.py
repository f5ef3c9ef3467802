"""The example's own work, on its sample feeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from newsdesk import digest
from newsdesk.desk import Desk, finds, open_desk
from newsdesk.feeds import FeedError, fetch, plain
from newsdesk.sample_server import serving
from newsdesk.settings import HERE, Search, Settings, load_searches


@pytest.fixture
def desk_settings(tmp_path: Path) -> Settings:
    return Settings(feeds=(), folder=tmp_path, searches=HERE / "searches.toml")


@pytest.fixture
def desk(desk_settings: Settings) -> Iterator[Desk]:
    with open_desk(desk_settings.database) as opened:
        yield opened


def fetch_samples(desk: Desk) -> list[int]:
    with serving() as addresses, httpx.Client() as client:
        return [desk.keep(address, fetch(client, address)) for address in addresses]


def test_every_sample_feed_has_items_and_a_second_fetch_adds_none(desk: Desk) -> None:
    assert fetch_samples(desk) == [14, 13, 11, 15]
    assert fetch_samples(desk) == [0, 0, 0, 0]


def test_a_feed_that_has_not_changed_is_not_sent_again() -> None:
    with serving() as addresses, httpx.Client() as client:
        first = fetch(client, addresses[0])
        second = fetch(client, addresses[0], etag=first.etag, last_modified=first.last_modified)

    assert not first.unchanged
    assert second.unchanged


def test_what_is_no_feed_is_refused() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html><p>Not found</p></html>"))
    with httpx.Client(transport=transport) as client, pytest.raises(FeedError):
        fetch(client, "http://feeds.example/gone")


def test_every_saved_search_finds_something_once(desk: Desk, desk_settings: Settings) -> None:
    fetch_samples(desk)
    searches = load_searches(desk_settings.searches)

    assert all(desk.match(search) > 0 for search in searches)
    assert [desk.match(search) for search in searches] == [0] * len(searches)


def test_the_digest_lists_what_was_found(desk: Desk, desk_settings: Settings) -> None:
    fetch_samples(desk)
    desk.match(Search(name="High water", all=("flood",)))

    assert digest.write(desk_settings) == 3
    assert "Flood barrier closes for the first time this spring" in desk_settings.digest.read_text()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Storm warning", True),
        ("STORMS ahead", True),
        ("Solar storm", False),
        ("Brainstorming", False),
    ],
)
def test_a_search_wants_whole_words_in_any_case(text: str, found: bool) -> None:
    assert finds(Search(name="", all=("storm",), none=("solar",)), text) is found


def test_markup_becomes_plain_text() -> None:
    assert plain("<p>Rsync,\n patience &amp; a <b>spreadsheet</b>.</p>") == "Rsync, patience & a spreadsheet."
