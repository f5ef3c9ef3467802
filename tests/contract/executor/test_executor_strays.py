"""What a run leaves running is killed, however it hid, and nothing outlives its supervisor or its daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matins.domain.states import OnLost, RunStatus
from matins.execution.strays import alive
from tests.contract.executor.bench import APPS, Bench, wait_until_dead


def test_a_child_left_running_is_killed_and_told_and_the_interpreter_replaced(bench: Bench) -> None:
    ended = bench.run("leaves_child")
    interpreter, child = ended.result
    assert ended.status is RunStatus.SUCCEEDED
    assert ended.notes[0].startswith(f"killed 1 process it left running: {child}")
    assert not alive(child)
    assert wait_until_dead(interpreter, 2)
    assert bench.run("where").result["pid"] != interpreter


def test_a_daemonised_grandchild_that_holds_the_output_open_delays_nothing(bench: Bench) -> None:
    run_id = bench.submit("leaves_daemon")
    ended = bench.end_of(run_id, within=10)
    assert ended.status is RunStatus.SUCCEEDED
    assert ended.ended_at - ended.began_at < 5
    bench.run("nothing")
    assert len(bench.below()) <= 1


def test_a_process_that_forks_away_from_every_look_is_caught(bench: Bench) -> None:
    ended = bench.run("leaves_comet")
    assert ended.status is RunStatus.SUCCEEDED
    assert not any("could not be killed" in note for note in ended.notes)
    bench.run("nothing")
    assert bench.below() == [bench.interpreter()]


def test_a_crowd_of_detached_processes_is_killed(bench: Bench) -> None:
    ended = bench.run("leaves_many", args={"count": 40})
    assert ended.notes[0].startswith("killed 40 processes it left running")
    bench.run("nothing")
    assert bench.below() == [bench.interpreter()]


def test_a_child_that_has_ended_unwaited_for_is_no_stray(bench: Bench) -> None:
    ended = bench.run("leaves_zombie")
    assert ended.notes == ()
    assert bench.run("where").result["pid"] == ended.result


def test_a_helper_started_while_importing_is_left_alone(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(app="helped:app")
    first = bench.run("helper_lives")
    assert (first.result["lives"], first.notes) == (True, ())
    assert bench.run("helper_lives").result == first.result
    left = bench.run("leaves_child")
    assert left.notes[0].startswith(f"killed 1 process it left running: {left.result}")
    bench.close()
    assert not alive(first.result["helper"])


def test_a_thread_left_running_costs_the_interpreter(bench: Bench) -> None:
    ended = bench.run("leaves_thread")
    assert ended.status is RunStatus.SUCCEEDED
    assert "straggler" in ended.lines[0].text
    assert bench.run("where").result["pid"] != ended.result


def test_a_daemon_thread_is_taken_for_a_librarys(bench: Bench) -> None:
    ended = bench.run("leaves_daemon_thread")
    assert bench.run("where").result["pid"] == ended.result


def test_a_killed_supervisor_takes_its_run_with_it_and_the_slot_comes_back(bench: Bench) -> None:
    run_id = bench.start("ignores_sigterm")
    interpreter = bench.interpreter()
    os.kill(bench.supervisor(), signal.SIGKILL)
    ended = bench.end_of(run_id, within=3)
    assert ended.status is RunStatus.LOST
    assert ended.exit == "killed by SIGKILL"
    assert wait_until_dead(interpreter, 1)
    assert bench.faults == ["the slot's supervisor ended: killed by SIGKILL"]
    bench.until(lambda: bench.executor.capacity() == 1)
    assert bench.run("add", args={"left": 1}).result == 2


def test_a_job_that_kills_its_supervisor_is_lost_itself(bench: Bench) -> None:
    assert bench.run("kills_parent").status is RunStatus.LOST


def test_orders_waiting_behind_a_killed_supervisor_are_returned(bench: Bench) -> None:
    room = bench.make_short("nothing")
    supervisor = bench.supervisor()
    with bench.frozen():
        ids = [bench.submit("nothing", on_lost=OnLost.RETRY) for _ in range(room)]
        bench.listen(0)
        os.kill(supervisor, signal.SIGKILL)
        bench.until(lambda: not bench.unanswered)
    assert bench.returned() == ids


def test_what_had_begun_under_a_killed_supervisor_is_never_returned(bench: Bench, tmp_path: Path) -> None:
    """Whichever moment the kill falls on, what is returned has not run, and what ran is not returned."""
    path = tmp_path / "begun"
    for turn in range(5):
        words = [f"{turn}-{number}" for number in range(20)]
        bench.until(lambda: bench.executor.capacity() == 1)
        bench.make_short("appends", args={"path": str(path), "word": "first"})
        ids = {
            bench.submit("appends", args={"path": str(path), "word": word}, on_lost=OnLost.RETRY): word
            for word in words
        }
        bench.listen(0.001 * turn)
        os.kill(bench.supervisor(), signal.SIGKILL)
        bench.until(lambda: len(bench.faults) > turn and not bench.unanswered)  # noqa: B023 - called at once
        returned = {ids[run_id] for run_id in bench.returned() if run_id in ids}
        assert not returned & set(path.read_text().split())


def test_a_command_does_not_outlive_a_killed_supervisor(bench: Bench) -> None:
    run_id = bench.submit("shell", command="setsid sleep 61 & echo on; sleep 60")
    bench.until(lambda: bool(bench.texts(run_id)))
    below = bench.below()
    assert len(below) == 3
    os.kill(bench.supervisor(), signal.SIGKILL)
    assert bench.end_of(run_id, within=3).status is RunStatus.LOST
    assert all(wait_until_dead(pid, 1) for pid in below)


DAEMON = """
import sys
from tests.contract.executor.bench import Bench
bench = Bench()
bench.executor.renew(bench.clock.boottime() + float(sys.argv[1]))
bench.start(sys.argv[2], kill_after_seconds=60)
print(bench.supervisor(), *bench.below(), flush=True)
sys.stdin.read()
"""


def _daemon(lease: float, job: str) -> tuple[subprocess.Popen[str], list[int]]:
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(lease), job],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=APPS.parents[3],
    )
    assert daemon.stdout is not None
    return daemon, [int(word) for word in daemon.stdout.readline().split()]


def _end(daemon: subprocess.Popen[str]) -> None:
    daemon.kill()
    daemon.communicate()


@pytest.mark.parametrize("job", ["ignores_sigterm", "prints_for_ever"])
def test_when_the_daemon_is_killed_its_jobs_are_dead_within_two_seconds(job: str) -> None:
    daemon, processes = _daemon(60, job)
    _end(daemon)
    assert len(processes) == 2
    assert all(wait_until_dead(pid, 2) for pid in processes)


def test_when_the_daemon_is_frozen_its_jobs_are_dead_before_the_lease_is_over() -> None:
    daemon, [supervisor, interpreter] = _daemon(2.0, "ignores_sigterm")
    try:
        os.kill(daemon.pid, signal.SIGSTOP)
        assert wait_until_dead(interpreter, 2)
        assert alive(supervisor)
    finally:
        _end(daemon)
    assert wait_until_dead(supervisor, 2)
