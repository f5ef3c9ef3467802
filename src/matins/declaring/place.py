"""Where in the user's code a declaration stands, and what their exceptions say, in one line."""

from __future__ import annotations

import os
import sys
from functools import lru_cache

_OURS = "matins"
LONGEST_LINE = 300


def declared_at() -> str:
    """``file:line`` of the nearest caller outside this package; the file relative to the directory Python runs in."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame = frame.f_back
    return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


@lru_cache(maxsize=1000)
def shown_path(filename: str) -> str:
    """The path as short as it stays clear: relative when it lies below the present directory."""
    here = os.path.join(os.getcwd(), "")
    return filename.removeprefix(here)


def one_line(error: BaseException) -> str:
    """An exception's type and message, in one bounded line; whatever its ``__str__`` does."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the user's own code: an exception that cannot even be shown
        text = "(its message cannot be shown)"
    return f"{name}: {text}"[:LONGEST_LINE] if text else name
