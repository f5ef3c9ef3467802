"""Finding what a person named, or saying that it is not there and what they may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from matins.admin.actor import storable
from matins.admin.paging import BIGGEST_ID
from matins.errors import NotFoundError
from matins.store import views
from matins.store.engine import Tx

_CUTOFF = 0.6
_MOST = 3


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'a' or 'b'?``, or nothing when nothing is near."""
    by_fold = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_fold, n=_MOST, cutoff=_CUTOFF)
    return f"Did you mean {' or '.join(repr(str(by_fold[name])) for name in near)}?" if near else ""


def unknown(kind: str, word: str, known: Iterable[str], *, listing: str) -> NotFoundError:
    """The error for a name that does not exist; `listing` is the command that lists those that do."""
    remedy = f"{did_you_mean(word, known)} `{listing}` lists all.".strip()
    return NotFoundError(f"There is no {kind} {word!r}.", remedy=remedy)


def schedule_row(tx: Tx, id_: str, *, lock: bool = False) -> Any:
    """The schedule's row.

    Raises:
        NotFoundError: there is none.
    """
    found = views.schedules.one(tx, id_, lock=lock) if storable(id_) == id_ else None
    if found is None:
        raise unknown("schedule", id_, views.schedules.ids(tx), listing="matins schedules")
    return found


def occurrence_row(tx: Tx, id_: int) -> Any:
    """The occurrence's row.

    Raises:
        NotFoundError: there is none.
    """
    found = views.occurrences.one(tx, id_) if 0 < id_ <= BIGGEST_ID else None
    if found is None:
        raise NotFoundError(
            f"There is no occurrence {id_}.", remedy="`matins history ID` lists a schedule's; old ones are pruned."
        )
    return found


def run_row(tx: Tx, id_: int) -> Any:
    """The run's row.

    Raises:
        NotFoundError: there is none.
    """
    found = views.runs.one(tx, id_) if 0 < id_ <= BIGGEST_ID else None
    if found is None:
        raise NotFoundError(f"There is no run {id_}.", remedy="`matins runs` lists the latest; old ones are pruned.")
    return found


def worker_row(tx: Tx, id_: str, *, lock: bool = False) -> Any:
    """The worker's row.

    Raises:
        NotFoundError: there is none.
    """
    found = views.workers.one(tx, id_, lock=lock) if storable(id_) == id_ else None
    if found is None:
        raise unknown("worker", id_, views.workers.ids(tx), listing="matins workers")
    return found
