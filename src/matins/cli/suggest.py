"""Names a near miss: "Did you mean …?"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from matins.errors import NotFoundError

_CUTOFF = 0.6
_MOST = 3


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'a' or 'b'?``, or nothing when nothing is near."""
    by_fold = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_fold, n=_MOST, cutoff=_CUTOFF)
    if not near:
        return ""
    return f"Did you mean {' or '.join(repr(by_fold[name]) for name in near)}?"


def unknown(kind: str, word: str, known: Iterable[str], *, listing: str) -> NotFoundError:
    """The error for an id that does not exist; `listing` is the command that lists those that do."""
    hint = did_you_mean(word, known)
    remedy = f"{hint} `{listing}` lists all.".strip()
    return NotFoundError(f"There is no {kind} {word!r}.", remedy=remedy)
