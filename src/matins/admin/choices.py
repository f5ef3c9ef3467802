"""Words that must be among a few: statuses and policies as people type them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from matins.admin.lookup import did_you_mean
from matins.errors import UsageError

E = TypeVar("E", bound=StrEnum)


def check_choices(what: str, given: Sequence[str], known: type[E]) -> tuple[E, ...]:
    """The words as what they name.

    Raises:
        UsageError: one of them is not known.
    """
    return tuple(check_choice(what, word, known) for word in given)


def check_choice(what: str, word: str, known: type[E]) -> E:
    """The word as what it names.

    Raises:
        UsageError: it is not known.
    """
    try:
        return known(word.strip().lower().replace("-", "_"))
    except ValueError:
        hint = did_you_mean(word, list(known))
        every = ", ".join(known)
        raise UsageError(f"{word!r} is no {what}.", remedy=f"{hint} It is one of: {every}.".strip()) from None
