"""The keeper of definitions: what left the code is set aside, what only the dead knew is worded anew, absurd times repaired."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from matins.daemon.catalogue import Catalogue
from matins.daemon.definitions import Code, DefinitionKeeper
from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.domain.triggers import every
from matins.errors import AppLoadError, DatabaseUnavailable
from matins.telemetry.events import ReloadFailed, ScheduleRepaired, SchedulesSetAside
from tests.kit import Ledger, definition
from tests.service.stand_ins import FaultyStore, Heard, new_state, register, renew


@dataclass
class Given:
    """Loaded code that was never loaded; satisfies `matins.daemon.definitions.Loaded`."""

    definitions: tuple[ScheduleDefinition, ...]
    app: str = "shop"
    jobs: dict[str, Job] = field(default_factory=lambda: {"work": Job(name="work")})
    pools: dict[str, int] = field(default_factory=dict)
    closed: bool = False

    @property
    def count(self) -> int:
        return len(self.definitions)

    @property
    def hash(self) -> str:
        return hashlib.sha256("".join(one.hash for one in self.definitions).encode()).hexdigest()

    def schedules(self) -> Iterator[ScheduleDefinition]:
        return iter(self.definitions)

    def close(self) -> None:
        self.closed = True


class Setup:
    def __init__(self, ledger: Ledger, store: FaultyStore, heard: Heard, id_: str = "w1") -> None:
        self.ledger, self.store = ledger, store
        self.state = new_state(ledger.clock, id_)
        register(store, self.state)
        self.code = Code()
        self.next_load: Any = None
        self.loads = self.replaced = 0
        self.keeper = DefinitionKeeper(
            store=store,
            state=self.state,
            code=self.code,
            load=self._load,
            catalogue=Catalogue(),
            bus=heard.bus,
            changed=lambda: None,
            code_replaced=self._replace,
        )

    def _load(self) -> Given:
        self.loads += 1
        if isinstance(self.next_load, Exception):
            raise self.next_load
        assert isinstance(self.next_load, Given)
        return self.next_load

    def _replace(self) -> None:
        self.replaced += 1

    def pass_time(self, **by: float) -> None:
        self.ledger.pass_time(**by)
        renew(self.store, self.state)


@pytest.fixture
def setup(ledger: Ledger, store: FaultyStore, heard: Heard) -> Setup:
    return Setup(ledger, store, heard)


def test_a_schedule_that_left_the_code_has_its_last_fires_recorded_and_is_set_aside(setup: Setup, heard: Heard) -> None:
    setup.keeper.use(Given((definition("a"), definition("b"))))
    setup.pass_time(minutes=2)
    setup.keeper.use(Given((definition("a"),)))
    row = setup.ledger.schedule("b")
    assert (row.removed_at, row.next_run_at) == (setup.ledger.clock.now(), None)
    assert setup.ledger.outcomes("b") == [("skipped", "not_in_code", 2)]
    assert [fact.schedules for fact in heard.of(SchedulesSetAside)] == [("b",)]
    assert setup.ledger.schedule("a").removed_at is None


def test_what_another_live_daemon_knows_is_not_set_aside_until_it_has_gone(
    setup: Setup, ledger: Ledger, store: FaultyStore, heard: Heard
) -> None:
    setup.keeper.use(Given((definition("a"), definition("b"))))
    other = Setup(ledger, store, heard, "w2")
    other.keeper.use(Given((definition("a"),)))
    assert ledger.schedule("b").removed_at is None
    ledger.pass_time(seconds=61)
    renew(store, other.state)
    other.keeper.run_once()
    assert ledger.schedule("b").removed_at is not None


def test_the_wording_that_only_the_dead_knew_gives_way_to_ones_own(
    setup: Setup, ledger: Ledger, store: FaultyStore, heard: Heard
) -> None:
    mine, theirs = definition("a"), definition("a", every(minutes=5))
    setup.keeper.use(Given((mine,)))
    other = Setup(ledger, store, heard, "w2")
    other.keeper.use(Given((theirs,)))
    setup.keeper.run_once()
    assert ledger.schedule("a").definition_hash == theirs.hash
    ledger.pass_time(seconds=61)
    renew(store, setup.state)
    setup.keeper.run_once()
    assert ledger.schedule("a").definition_hash == mine.hash


@pytest.mark.parametrize(
    "wrong",
    [None, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)],
    ids=["null", "1970", "9999"],
)
def test_an_absurd_next_run_is_computed_anew_and_told(setup: Setup, heard: Heard, wrong: datetime | None) -> None:
    setup.keeper.use(Given((definition("a"), definition("b"))))
    setup.ledger.change("a", next_run_at=wrong)
    setup.keeper.run_once()
    assert setup.ledger.schedule("a").next_run_at == setup.ledger.clock.now() + timedelta(minutes=1)
    assert [fact.schedule for fact in heard.of(ScheduleRepaired)] == ["a"]
    assert setup.ledger.outcomes() == []


def test_code_that_cannot_be_loaded_again_leaves_everything_as_it_was(setup: Setup, heard: Heard) -> None:
    setup.keeper.use(Given((definition("a"),)))
    before = setup.ledger.schedule("a")
    setup.next_load = AppLoadError("it hangs")
    setup.keeper.ask_reload()
    setup.keeper.run_once()
    assert len(heard.of(ReloadFailed)) == 1
    assert setup.ledger.schedule("a") == before
    assert setup.replaced == 0
    setup.keeper.run_once()
    assert setup.loads == 1


def test_a_reload_that_meets_a_database_that_is_away_is_made_up(setup: Setup) -> None:
    first, second = Given((definition("a"),)), Given((definition("a"), definition("b")))
    setup.keeper.use(first)
    setup.next_load = second
    setup.keeper.ask_reload()
    setup.store.away = True
    with pytest.raises(DatabaseUnavailable):
        setup.keeper.run_once()
    assert second.closed
    assert not first.closed
    setup.store.away = False
    setup.next_load = Given((definition("a"), definition("b")))
    setup.keeper.run_once()
    assert setup.ledger.schedule("b").removed_at is None
    assert (setup.loads, setup.replaced, first.closed) == (2, 1, True)
