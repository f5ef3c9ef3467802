"""Several daemons, crashes, clock jumps, deploys and operators in any order: the accounts always add up."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matins.domain.states import MissedPolicy, OccurrenceKind, OverlapPolicy, RunStatus
from matins.domain.triggers import at, cron, every
from matins.store import retention
from tests.kit import START, definition
from tests.ledgers import ask, cancel, disable, enable
from tests.simulation.world import Daemon, World, back

TRIGGERS = [
    every(seconds=30),
    every(minutes=7),
    every(hours=1),
    cron("*/2 * * * *"),
    cron("0 0 31 2 *"),
    at(START + back(10)),
]
OVERLAPS = {f"s-{policy}": policy for policy in OverlapPolicy}
IDS = list(OVERLAPS)
ENDS = [
    RunStatus.SUCCEEDED,
    RunStatus.SUCCEEDED,
    RunStatus.FAILED,
    RunStatus.TIMED_OUT,
    RunStatus.CANCELLED,
    RunStatus.INTERRUPTED,
]

shapes = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(TRIGGERS),
        "missed": st.sampled_from(MissedPolicy),
        "jobs": st.sampled_from([("work",), ("repeatable",), ("work", "repeatable", "fragile")]),
        "parallel": st.sampled_from([1, 2]),
        "stop_on_failure": st.booleans(),
        "jitter_seconds": st.sampled_from([0.0, 0.0, 50.0]),
        "catch_up_limit": st.sampled_from([2, 60]),
        "catch_up_window_seconds": st.sampled_from([600.0, 7 * 86400.0]),
        "buffer_limit": st.sampled_from([1, 3]),
        "start_within_seconds": st.sampled_from([None, None, 120.0]),
        "timeout_seconds": st.sampled_from([None, 600.0]),
        "enabled": st.booleans(),
    }
)


def shaped(id_: str, shape: dict[str, Any]) -> Any:
    return definition(id_, overlap=OVERLAPS[id_], **shape)


class Simulation(RuleBasedStateMachine):
    """One run of the world."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.url)

    @initialize(shapes=st.lists(shapes, min_size=len(IDS), max_size=len(IDS)))
    def begin(self, shapes: list[dict[str, Any]]) -> None:
        self.world.deploy(*(shaped(id_, shape) for id_, shape in zip(IDS, shapes, strict=True)))
        for _ in range(2):
            self.world.boot(self.world.versions[-1])

    @rule(seconds=st.sampled_from([1, 1, 20, 31, 61, 61, 300, 10_000, -15]), hearts=st.booleans())
    def time_passes(self, seconds: int, hearts: bool) -> None:
        self.world.ledger.pass_time(seconds=seconds)
        if hearts:
            self.world.renew()

    @rule(newest=st.booleans())
    def somebody_plans(self, newest: bool) -> None:
        self.world.plan(self.world.versions[-1 if newest else 0])

    @rule()
    def somebody_looks_what_is_due(self) -> None:
        self.world.remember_proposals()

    @precondition(lambda self: self.world.stale)
    @rule(data=st.data())
    def somebody_writes_a_plan_made_earlier(self, data: Any) -> None:
        self.world.write_stale(data.draw(st.sampled_from(self.world.stale)))

    @rule(data=st.data(), limit=st.integers(1, 8))
    def a_daemon_claims(self, data: Any, limit: int) -> None:
        self.world.claim(self._daemon(data), limit)

    @rule(data=st.data(), status=st.sampled_from(ENDS))
    def a_daemon_finishes_some_of_what_it_holds(self, data: Any, status: RunStatus) -> None:
        daemon = self._daemon(data)
        if not daemon.held:
            return
        some = data.draw(st.lists(st.sampled_from(daemon.held), min_size=1, unique_by=lambda one: one.id))
        self.world.begun |= {one.id for one in some}
        daemon.held = [one for one in daemon.held if one not in some]
        self.world.ledger.finish(*some, status=status)

    @rule(data=st.data())
    def a_daemon_begins_what_it_holds(self, data: Any) -> None:
        self.world.begun |= {one.id for one in self._daemon(data).held}

    @rule(data=st.data())
    def a_daemon_gives_back_what_it_did_not_begin(self, data: Any) -> None:
        self.world.give_back(self._daemon(data))

    @rule(data=st.data())
    def a_daemon_crashes_and_another_boots(self, data: Any) -> None:
        self.world.crash(self._daemon(data))
        self.world.boot(self.world.versions[-1])

    @precondition(lambda self: self.world.ghosts)
    @rule(data=st.data())
    def a_daemon_thought_dead_writes_an_end(self, data: Any) -> None:
        ghost = data.draw(st.sampled_from(self.world.ghosts))
        self.world.ghosts.remove(ghost)
        running = {run.id: run for run in self.world.ledger.runs()}.get(ghost.id)
        done = self.world.ledger.finish(ghost)
        still_its_own = running is not None and (running.status, running.claim_token) == ("running", ghost.claim_token)
        assert bool(done.recorded) == still_its_own

    @rule()
    def somebody_reaps(self) -> None:
        self.world.reap()

    @rule()
    def somebody_ends_what_waited_too_long(self) -> None:
        self.world.expire()

    @rule(id_=st.sampled_from(IDS), on=st.booleans())
    def an_operator_switches(self, id_: str, on: bool) -> None:
        if self.world.ledger.schedule(id_).removed_at is None:
            (enable if on else disable)(self.world.ledger, id_)

    @rule(data=st.data())
    def an_operator_cancels(self, data: Any) -> None:
        standing = [row.id for row in self.world.ledger.occurrences() if row.finished_at is None]
        if standing:
            cancel(self.world.ledger, data.draw(st.sampled_from(standing)))

    @rule(id_=st.sampled_from(IDS), kind=st.sampled_from([OccurrenceKind.MANUAL, OccurrenceKind.BACKFILL]))
    def an_operator_asks_for_a_run(self, id_: str, kind: OccurrenceKind) -> None:
        account = self.world.accounts[id_]
        if account.declared:
            ask(self.world.ledger, account.definition, kind=kind, back=back(30))

    @rule(id_=st.sampled_from(IDS), shape=shapes)
    def code_with_another_wording_is_deployed(self, id_: str, shape: dict[str, Any]) -> None:
        declared = {one.definition.id: one.definition for one in self.world.accounts.values() if one.declared}
        self.world.deploy(*{**declared, id_: shaped(id_, shape)}.values())

    @rule(id_=st.sampled_from(IDS))
    def code_without_a_schedule_is_deployed(self, id_: str) -> None:
        self.world.accounts[id_].declared = False
        declared = [one.definition for one in self.world.accounts.values() if one.declared]
        self.world.deploy(*declared)
        self.world.set_aside()

    @rule(minutes=st.sampled_from([0, 5]))
    def history_is_pruned(self, minutes: int) -> None:
        self.world.ledger.store.write(lambda tx: retention.prune_occurrences(tx, back(minutes)))

    @invariant()
    def the_accounts_add_up(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            if self.world.versions:
                self._quiet()
        finally:
            self.world.close()

    def _quiet(self) -> None:
        world = self.world
        world.deploy(*(one.definition for one in world.accounts.values()))
        for id_ in IDS:
            enable(world.ledger, id_)
        world.come_to_rest()

    def _daemon(self, data: Any) -> Daemon:
        return data.draw(st.sampled_from(self.world.daemons))  # type: ignore[no-any-return]


def simulate(url: str, *, examples: int, steps: int, derandomize: bool, shrink: bool) -> None:
    Simulation.url = url
    run_state_machine_as_test(
        Simulation,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        ),
    )


@pytest.mark.timeout(300)
def test_whatever_happens_the_accounts_add_up(sqlite_url: str) -> None:
    simulate(sqlite_url, examples=12, steps=30, derandomize=True, shrink=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whatever_happens_for_long_the_accounts_add_up(sqlite_url: str) -> None:
    simulate(
        sqlite_url,
        examples=int(os.environ.get("MATINS_TEST_EXAMPLES", "300")),
        steps=60,
        derandomize=False,
        shrink=True,
    )
