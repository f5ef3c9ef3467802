"""Where the news desk reads and writes; the environment has the last word."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A saved search: an item matches that has all of `all` and none of `none` as words in its title or summary."""

    name: str
    all: tuple[str, ...]
    none: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, and its defaults."""

    feeds: tuple[str, ...]
    """Addresses; none means the sample feeds that come with the example."""
    folder: Path
    searches: Path

    @property
    def database(self) -> Path:
        return self.folder / "newsdesk.db"

    @property
    def digest(self) -> Path:
        return self.folder / "digest.md"


def settings() -> Settings:
    """Read the environment: ``NEWSDESK_FEEDS`` (separated by blanks), ``NEWSDESK_FOLDER``, ``NEWSDESK_SEARCHES``."""
    folder = Path(os.environ.get("NEWSDESK_FOLDER", "newsdesk-data"))
    folder.mkdir(parents=True, exist_ok=True)
    return Settings(
        feeds=tuple(os.environ.get("NEWSDESK_FEEDS", "").split()),
        folder=folder,
        searches=Path(os.environ.get("NEWSDESK_SEARCHES", HERE / "searches.toml")),
    )


def load_searches(path: Path) -> list[Search]:
    """The saved searches in a TOML file."""
    with path.open("rb") as file:
        tables = tomllib.load(file)["search"]
    return [Search(name=table["name"], all=tuple(table["all"]), none=tuple(table.get("none", ()))) for table in tables]
