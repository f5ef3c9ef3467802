"""Whoever comes first wins, and only one does: finishing, recovering, planning, claiming, cancelling and switching."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from matins.domain.states import MissedPolicy, OverlapPolicy, RunStatus, WorkerId
from matins.domain.triggers import every
from matins.ledger import recovery
from matins.ledger.claims import ClaimedRun
from matins.ledger.plans import write_plans
from matins.ledger.settle import Finish, Settlement
from matins.ledger.turn import Work, take_turn
from matins.store import workers
from tests.kit import TERMS, Ledger, definition
from tests.ledgers import CleanDatabases, cancel, counted, disable, enable, proposals
from tests.race.racing import Race, racing

SCHEDULES = 30


@pytest.fixture(params=["postgresql", "mariadb"])
def race(request: pytest.FixtureRequest, clean_databases: CleanDatabases) -> Iterator[Race]:
    with racing(clean_databases, request.param, hands=3) as race:
        yield race


def declare(race: Race, many: int = SCHEDULES, **values: object) -> list[str]:
    ids = [f"s{number:03}" for number in range(many)]
    race.ledger.declare(*(definition(id_, **values) for id_ in ids))
    race.share_code()
    return ids


def plan_all(hand: Ledger) -> None:
    """A scheduler's turns until nothing is due, whatever others hold meanwhile."""
    while plan_turn(hand):
        pass


def plan_turn(hand: Ledger) -> bool:
    """One turn of a scheduler; whether anything was due."""
    wanted = proposals(hand)
    hand.store.write(lambda tx: write_plans(tx, wanted, hand.jobs, chance=lambda: 0.5))
    return bool(wanted)


def lose_worker(race: Race, id_: str) -> None:
    race.ledger.pass_time(seconds=70)
    assert race.ledger.store.write(lambda tx: workers.declare_dead(tx, WorkerId(id_), TERMS))


def recover(hand: Ledger, found: list[Finish]) -> list[Settlement]:
    """Recover one by one, so that it meets the finishes one by one."""
    return [
        hand.store.write(lambda tx: recovery.settle_all(tx, [one], hand.jobs, chance=lambda: 0.5))  # noqa: B023
        for one in found
    ]


@pytest.mark.parametrize("job", ["fragile", "repeatable"])
def test_of_a_finish_and_a_recovery_of_one_run_exactly_one_counts(race: Race, job: str) -> None:
    ids = declare(race, jobs=(job,))
    race.ledger.worker("w1")
    race.ledger.pass_time(minutes=1)
    race.ledger.plan_all()
    claims = race.ledger.claim()
    lose_worker(race, "w1")
    found = race.ledger.store.read(recovery.held_by_the_dead)
    assert len(found) == len(ids)
    finisher, reaper, other_reaper = race.hands
    race.run(
        lambda: [finisher.finish(claim) for claim in claims],
        lambda: recover(reaper, list(reversed(found))),
        lambda: recover(other_reaper, list(found)),
    )
    firsts = Counter(run.status for run in race.ledger.runs() if run.attempt == 1)
    assert firsts["succeeded"] + firsts["lost"] == len(ids)
    repeated = [run for run in race.ledger.runs() if run.attempt == 2]
    assert len(repeated) == (firsts["lost"] if job == "repeatable" else 0)
    for id_ in ids:
        schedule, [row] = race.ledger.schedule(id_), race.ledger.occurrences(id_)
        assert (schedule.run_count, schedule.failure_count) == (row.status == "succeeded", row.status == "lost")


def test_planners_at_once_write_each_fire_once(race: Race) -> None:
    ids = declare(race, missed=MissedPolicy.RUN_ALL)
    for _ in range(5):
        race.ledger.pass_time(minutes=3)
        race.run(*(lambda hand=hand: plan_all(hand) for hand in race.hands))
    assert {id_: counted(race.ledger, id_) for id_ in ids} == dict.fromkeys(ids, 15)
    assert len(race.ledger.occurrences()) == 15 * len(ids)
    runs = Counter(run.occurrence_id for run in race.ledger.runs())
    assert set(runs.values()) == {1}


def work_off(hand: Ledger, worker: str, seen: list[int]) -> None:
    """A dispatcher's turns: the finishes of one batch with the claims of the next."""
    finishes: list[Finish] = []
    idle = 0
    while idle < 5:
        work = Work(app="shop", worker_id=worker, finishes=finishes, limit=7)
        done = hand.store.write(lambda tx: take_turn(tx, work, hand.jobs, lambda found: found, chance=lambda: 0.5))  # noqa: B023
        seen += [claim.id for claim in done.claimed]
        finishes = [finished(hand, claim) for claim in done.claimed]
        idle = 0 if done.claimed else idle + 1


def finished(hand: Ledger, claim: ClaimedRun) -> Finish:
    return Finish(
        run_id=claim.id,
        occurrence_id=claim.occurrence_id,
        schedule_id=claim.schedule_id,
        claim_token=claim.claim_token,
        status=RunStatus.SUCCEEDED,
        started_at=hand.clock.now(),
        finished_at=hand.clock.now(),
    )


@pytest.mark.parametrize("overlap", [OverlapPolicy.BUFFER_ALL, OverlapPolicy.ALLOW])
def test_dispatchers_over_the_same_schedules_start_each_run_once(race: Race, overlap: OverlapPolicy) -> None:
    ids = declare(race, many=8, jobs=("work", "other", "third"), parallel=2, overlap=overlap)
    for _ in range(4):
        race.ledger.pass_time(minutes=1)
        race.ledger.plan_all()
    seen: list[int] = []
    race.run(*(lambda hand=hand, n=n: work_off(hand, f"w{n}", seen) for n, hand in enumerate(race.hands)))
    work_off(race.ledger, "w9", seen)
    assert len(seen) == len(set(seen)) == 8 * 4 * 3
    for id_ in ids:
        schedule = race.ledger.schedule(id_)
        assert (schedule.run_count, schedule.failure_count, schedule.locked_at) == (4, 0, None)
    assert {row.status for row in race.ledger.occurrences()} == {"succeeded"}


def test_dispatchers_and_planners_do_not_lock_each_other_out(race: Race) -> None:
    ids = declare(race, overlap=OverlapPolicy.BUFFER_ALL)
    seen: list[int] = []
    planner, *dispatchers = race.hands

    def plan_on() -> None:
        for _ in range(12):
            race.ledger.pass_time(minutes=1)
            plan_all(planner)

    race.run(plan_on, *(lambda hand=hand, n=n: work_off(hand, f"w{n}", seen) for n, hand in enumerate(dispatchers)))
    work_off(race.ledger, "w9", seen)
    assert {id_: counted(race.ledger, id_) for id_ in ids} == dict.fromkeys(ids, 12)
    assert len(seen) == len(set(seen)) == sum(row.status == "succeeded" for row in race.ledger.occurrences())
    assert not [row for row in race.ledger.occurrences() if row.finished_at is None]


def test_a_cancel_and_a_claim_of_one_run_agree(race: Race) -> None:
    declare(race)
    race.ledger.pass_time(minutes=1)
    race.ledger.plan_all()
    rows = race.ledger.occurrences()
    canceller, *claimers = race.hands
    held: list[ClaimedRun] = []

    def claim(hand: Ledger, worker: str) -> None:
        for _ in range(SCHEDULES):
            held.extend(hand.claim(limit=2, worker=worker))

    race.run(
        lambda: [cancel(canceller, row.id) for row in reversed(rows)],
        lambda: claim(claimers[0], "w1"),
        lambda: claim(claimers[1], "w2"),
    )
    claimed = {claim.occurrence_id for claim in held}
    for row in race.ledger.occurrences():
        assert row.cancel_requested_at is not None
        assert row.status == ("running" if row.id in claimed else "cancelled")
    assert {run.status for run in race.ledger.runs()} <= {"running", "cancelled"}


def test_switching_and_planning_at_once_account_for_every_fire(race: Race) -> None:
    ids = declare(race, many=6, trigger=every(seconds=30), missed=MissedPolicy.RUN_ALL, overlap=OverlapPolicy.ALLOW)
    switcher, *planners = race.hands

    def switch() -> None:
        for turn in range(20):
            race.ledger.pass_time(seconds=20)
            for id_ in ids[turn % 2 :: 2]:
                (disable if turn % 4 < 2 else enable)(switcher, id_)

    def plan_on(hand: Ledger) -> None:
        for _ in range(40):
            plan_turn(hand)

    race.run(switch, *(lambda hand=hand: plan_on(hand) for hand in planners))
    for id_ in ids:
        enable(race.ledger, id_)
    plan_all(race.ledger)
    fires = int((race.ledger.clock.now() - race.ledger.schedule(ids[0]).created_at).total_seconds() // 30)
    assert {id_: counted(race.ledger, id_) for id_ in ids} == dict.fromkeys(ids, fires)


def test_a_deploy_and_planners_at_once_account_for_every_fire(race: Race) -> None:
    ids = declare(race, many=10, trigger=every(minutes=1))
    deployer, *planners = race.hands
    race.ledger.pass_time(minutes=5)

    def deploy() -> None:
        deployer.declare(*(definition(id_, trigger=every(minutes=1, anchor=race.ledger.clock.now())) for id_ in ids))

    race.run(deploy, *(lambda hand=hand: plan_all(hand) for hand in planners))
    race.ledger.version_id = deployer.version_id
    plan_all(race.ledger)
    assert {id_: counted(race.ledger, id_) for id_ in ids} == dict.fromkeys(ids, 5)


def test_an_occurrence_that_ends_and_a_fire_that_comes_at_once_agree(race: Race) -> None:
    ids = declare(race, overlap=OverlapPolicy.BUFFER_ONE)
    finisher, planner, _ = race.hands
    race.ledger.pass_time(minutes=1)
    race.ledger.plan_all()
    for _ in range(4):
        claims = race.ledger.claim()
        assert len(claims) == len(ids)
        race.ledger.pass_time(minutes=1)
        race.run(lambda: [finisher.finish(claim) for claim in claims], lambda: plan_all(planner))  # noqa: B023
        going = Counter(row.schedule_id for row in race.ledger.occurrences() if row.admitted_at and not row.finished_at)
        assert going == Counter(ids), "one is admitted, neither none nor two"
