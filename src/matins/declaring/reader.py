"""Reads the values of one declaration. A faulty one becomes a fault with its place, and the default stands in for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from matins.domain.durations import parse_bytes, parse_duration
from matins.errors import Fault

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

LONGEST_TEXT = 10_000


@dataclass(slots=True)
class Reader:
    """The options of one declaration, and the faults found in them so far. An option that is None counts as not given."""

    where: str
    subject: str
    """What is declared, to begin each fault with: ``job 'refresh'``."""
    options: Mapping[str, Any]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, what: str, remedy: str = "") -> None:
        """Note one thing that is wrong."""
        text = f"{self.subject}: {what}" if self.subject else what
        self.faults.append(Fault(where=self.where, what=text, remedy=remedy))

    def only_known(self, known: Iterable[str]) -> None:
        """Note every option that does not exist."""
        for name in self.options.keys() - set(known):
            self.fault(f"there is no option {name!r}.", near(name, known))

    def seconds(self, name: str, default: T) -> float | T:
        """A duration, in seconds."""
        value = self.options.get(name)
        if value is None:
            return default
        try:
            return parse_duration(value).total_seconds()
        except ValueError as error:
            self.fault(f"{name} {error}")
            return default

    def positive_seconds(self, name: str, default: T) -> float | T:
        """A duration longer than nothing, in seconds."""
        seconds = self.seconds(name, default)
        if seconds == 0:
            self.fault(f"{name} {self.options[name]!r} is no time at all.", "Write a longer one, or leave it out.")
            return default
        return seconds

    def bytes(self, name: str) -> int | None:
        """A memory size, in bytes."""
        value = self.options.get(name)
        try:
            return None if value is None else parse_bytes(value)
        except ValueError as error:
            self.fault(f"{name} {error}")
            return None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(f"{name} {value!r:.80} is not a whole number from {low} to {high}.")
            return default
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or False."""
        value = self._given(name, default)
        if not isinstance(value, bool):
            self.fault(f"{name} {value!r:.80} is neither True nor False.")
            return default
        return value

    def choice(self, name: str, words: type[E], default: E) -> E:
        """One of an enum's words, or its member."""
        value = self._given(name, default)
        try:
            return words(value)
        except ValueError:
            self.fault(f"{name} {value!r:.80} is not known.", near(value, list(words)))
            return default

    def text(self, name: str, default: str = "", longest: int = LONGEST_TEXT) -> str:
        """Text that can be stored."""
        value = self._given(name, default)
        wrong = text_fault(value, longest)
        if wrong:
            self.fault(f"{name} {value!r:.80} {wrong}.")
            return default
        return str(value)

    def names(self, name: str, longest: int) -> tuple[str, ...]:
        """Names, from one or from any collection of them; a set comes in the alphabet's order, so that it is stable."""
        value = self._given(name, ())
        values = [value] if isinstance(value, str) else value
        if isinstance(value, Mapping) or not isinstance(values, (list, tuple, set, frozenset)):
            self.fault(f"{name} {value!r:.80} is not a collection of names.", f"Write {name}={{'first', 'second'}}.")
            return ()
        for one in values:
            wrong = name_fault(one, longest)
            if wrong:
                self.fault(f"{name}: {one!r:.80} {wrong}.")
                return ()
        return tuple(sorted(values) if isinstance(values, (set, frozenset)) else dict.fromkeys(values))

    def _given(self, name: str, default: Any) -> Any:
        value = self.options.get(name)
        return default if value is None else value


def text_fault(value: object, longest: int) -> str:
    """Why this is no text that every database stores; empty when it is."""
    if not isinstance(value, str):
        return "is not text"
    if len(value) > longest:
        return f"has {len(value)} characters; at most {longest} are allowed"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "has characters that cannot be stored"
    return ""


def name_fault(value: object, longest: int) -> str:
    """Why this cannot name anything in addresses, commands and tables; empty when it can."""
    wrong = text_fault(value, longest)
    if wrong or not isinstance(value, str):
        return wrong
    if not value:
        return "is empty"
    if value != value.strip() or not value.isprintable() or "/" in value:
        return "has a slash, a control character, or blanks at its ends"
    return ""


def near(value: object, known: Iterable[object]) -> str:
    """A remedy that offers the nearest known word, or all of them when there are few."""
    words = [str(word) for word in known]
    found = difflib.get_close_matches(str(value)[:100].lower(), words, n=1)
    if found:
        return f"Did you mean {found[0]!r}?"
    listed = ", ".join(repr(word) for word in words[:12])
    return f"There {'is' if len(words) == 1 else 'are'} {listed}{', …' if len(words) > 12 else ''}." if words else ""
