"""Pages of long lists: opaque cursors that name the last row seen, so that rows which arrive meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from matins.errors import UsageError

MOST = 1000
BIGGEST_ID = 2**63 - 1


def check_limit(limit: int) -> int:
    """The limit, if it is one.

    Raises:
        UsageError: it is not from 1 to `MOST`.
    """
    if not 1 <= limit <= MOST:
        raise UsageError(f"The limit {limit} is not from 1 to {MOST}.", remedy="Ask for further pages by the cursor.")
    return limit


def id_cursor(id_: int) -> str:
    """A cursor of a list ordered by id."""
    return _encode([id_])


def fire_cursor(fire_at: datetime, id_: int) -> str:
    """A cursor of a list ordered by fire time, then id."""
    return _encode([fire_at.isoformat(), id_])


def read_id_cursor(text: str | None) -> int | None:
    """The id an `id_cursor` names.

    Raises:
        UsageError: it is not such a cursor.
    """
    if text is None:
        return None
    match _decode(text):
        case [int(id_)] if 0 <= id_ <= BIGGEST_ID:
            return id_
    raise _unreadable(text)


def read_fire_cursor(text: str | None) -> tuple[datetime, int] | None:
    """The fire time and id a `fire_cursor` names.

    Raises:
        UsageError: it is not such a cursor.
    """
    if text is None:
        return None
    match _decode(text):
        case [str(fire_at), int(id_)] if 0 <= id_ <= BIGGEST_ID:
            return _instant(fire_at, text), id_
    raise _unreadable(text)


def _encode(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(text: str) -> object:
    try:
        return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _unreadable(text) from None


def _instant(value: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise _unreadable(text) from None
    if found.utcoffset() is None:
        raise _unreadable(text)
    return found


def _unreadable(text: str) -> UsageError:
    return UsageError(
        f"The cursor {text[:80]!r} is not one of this list.", remedy="Leave it out to begin at the newest."
    )
