"""Several hands on one ledger at the same moment, each with connections of its own, on real servers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from matins.store.engine import Store
from tests.kit import Ledger
from tests.ledgers import JOBS, CleanDatabases

PATIENCE_SECONDS = 60.0


class Race:
    """One database and a ledger for each hand; the hands share the clock, the jobs and the code."""

    def __init__(self, databases: CleanDatabases, kind: str, hands: int) -> None:
        url = databases.url(kind)
        self.troubles: Counter[str] = Counter()
        """What the databases refused and the store tried again, by the driver's words."""
        self.ledger = self._hand(url)
        self.hands = [self._hand(url) for _ in range(hands)]
        for hand in self.hands:
            hand.clock = self.ledger.clock
            hand.store._now = self.ledger.clock

    def close(self) -> None:
        for hand in (self.ledger, *self.hands):
            hand.close()

    def share_code(self) -> None:
        """All hands run what the first ledger declared last."""
        for hand in self.hands:
            hand.version_id = self.ledger.version_id

    def run(self, *works: Callable[[], Any]) -> None:
        """Do all this at once; whatever one of them raises fails the test."""
        start, failures = threading.Barrier(len(works)), list[BaseException]()

        def hand(work: Callable[[], Any]) -> None:
            try:
                start.wait(PATIENCE_SECONDS)
                work()
            except BaseException as error:  # noqa: BLE001 - told on the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=hand, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a hand hangs"
        if failures:
            raise failures[0]

    def _hand(self, url: str) -> Ledger:
        ledger = Ledger(url, jobs=JOBS)
        _listen(ledger.store, self.troubles)
        return ledger


def _listen(store: Store, troubles: Counter[str]) -> None:
    def note(context: Any) -> None:
        troubles[str(context.original_exception).splitlines()[0][:80]] += 1

    event.listen(store.engine, "handle_error", note)


@contextmanager
def racing(databases: CleanDatabases, kind: str, hands: int = 2) -> Iterator[Race]:
    race = Race(databases, kind, hands)
    try:
        yield race
    finally:
        race.close()
