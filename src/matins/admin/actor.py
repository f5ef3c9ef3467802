"""Who asks, and by what way: every verb needs one, and the audit keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from matins.errors import UsageError

LONGEST_NAME = 200
LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or a token, and where the request came from: ``cli``, ``api``, ``page``."""

    name: str
    source: str

    def __post_init__(self) -> None:
        # Names come from the operating system and from tokens: too long a one must not be what fails.
        object.__setattr__(self, "name", storable(self.name)[:LONGEST_NAME] or "unknown")
        object.__setattr__(self, "source", storable(self.source)[:LONGEST_NAME] or "unknown")


def checked_reason(reason: str | None) -> str | None:
    """The reason as it is stored; None when nothing was said.

    Raises:
        UsageError: it is too long.
    """
    text = storable(reason or "").strip()
    if len(text) > LONGEST_REASON:
        raise UsageError(
            f"The reason has {len(text)} characters; {LONGEST_REASON} are the most.", remedy="Give a shorter one."
        )
    return text or None


def storable(text: str) -> str:
    """The text without what some database refuses: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
