"""Measures Matins and its peers one after the other and writes the tables of ``docs/performance.md``.

``python -m bench.run --help`` says what can be chosen. Servers are throw-away ones with fsync on; each driver gets an
empty database and the machine to itself. A driver that fails is named and left out; a figure taken while others kept
the machine busy is shown and not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import machine, report
from bench.drivers import DUE_AT_ONCE, PEER_PYTHON, PEERS, ROOT, Call, calls
from bench.figures import Figures
from bench.measure import Figure
from bench.redis_server import redis_server
from tests.databases.binaries import MissingBinaries
from tests.databases.client import KeeperClient, KeeperProcess, Server, ServerMissing
from tests.databases.creation import MariaDBPlace, Place, PostgreSQLPlace, SQLitePlace

REQUIREMENTS = ROOT / "bench" / "requirements.txt"
DRIVER_SECONDS = 600


class Servers:
    """The servers that drivers need, each started when first asked for."""

    def __init__(self, stack: ExitStack, keeper: KeeperClient, folder: Path) -> None:
        self._stack = stack
        self._keeper = keeper
        self._places: dict[str, Place] = {"sqlite": SQLitePlace(folder)}
        self._redis = ""
        self._count = 0

    def empty(self, kind: str) -> str:
        """The URL of an empty database, or of the broker."""
        if kind == "none":
            return ""
        if kind == "redis":
            self._redis = self._redis or self._stack.enter_context(redis_server())
            return self._redis
        if kind not in self._places:
            self._places[kind] = place_on(self._keeper.own(kind))
        self._count += 1
        return self._places[kind].create(f"bench_{self._count}")


def place_on(server: Server) -> Place:
    """Where databases are made on a server of the keeper's."""
    return PostgreSQLPlace(server.url) if server.kind == "postgresql" else MariaDBPlace(server.url)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--only", default="", help="only calls whose name has this text, `floor` or `matins` say")
    parser.add_argument("--schedules", type=int, nargs="+", default=DUE_AT_ONCE, help="how many are due at once")
    parser.add_argument("--repeat", type=int, default=1, help="take the middle one of so many measurements")
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait in all for a quiet machine")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    arguments = parser.parse_args()

    chosen = [call for call in calls(arguments.schedules) if arguments.only in call.name]
    if any(call.driver.python == PEER_PYTHON for call in chosen):
        install_peers()
    figures = Figures(ROOT / "bench" / "figures.json", machine.facts())
    stillness = machine.Stillness(arguments.patience)
    for call, told in measure_all(chosen, arguments.repeat, stillness):
        figures.replace(call.name, told)
    every_call = calls(sorted({*DUE_AT_ONCE, *arguments.schedules}))
    tables = report.tables(figures.of([call.name for call in every_call]))
    print("\n" + tables)
    if not arguments.no_write:
        figures.save()
        report.write(report.PERFORMANCE, tables)


def install_peers() -> None:
    """The peers' own environment, made anew when their pins have changed."""
    ready = PEERS / "ready"
    if ready.exists() and ready.read_text() == REQUIREMENTS.read_text():
        return
    print("installing the peers into bench/.venv", flush=True)
    venv.create(PEERS, clear=True, with_pip=True)
    arguments = ["-m", "pip", "install", "-qq", "--require-hashes", "--requirement", str(REQUIREMENTS)]
    subprocess.run([PEER_PYTHON, *arguments], check=True)
    ready.write_text(REQUIREMENTS.read_text())


def measure_all(
    chosen: Sequence[Call], repeat: int, stillness: machine.Stillness
) -> Iterator[tuple[Call, list[Figure]]]:
    """Make every call, and give the middle figure of each; one taken beside other work is shown and not kept."""
    with ExitStack() as stack:
        keeper = KeeperProcess()
        stack.callback(keeper.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matins-bench-")))
        servers = Servers(stack, KeeperClient(keeper.path), folder)
        for call in chosen:
            quiet = stillness.wait()
            figures = middle([figure for _ in range(repeat) for figure in measure(call, servers)])
            if quiet and stillness.wait():
                yield call, figures
            elif figures:
                print(f"not kept, since the machine was busy with something else: {figures}", flush=True)


def middle(figures: Sequence[Figure]) -> list[Figure]:
    """Of each peer's figures the one in the middle, so that neither luck nor a busy moment is what is told."""
    alike: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        alike.setdefault((figure.peer, figure.setting), []).append(figure)
    ordered = (sorted(group, key=_goodness) for group in alike.values())
    return [group[len(group) // 2] for group in ordered]


def _goodness(figure: Figure) -> float:
    return figure.runs_per_second if figure.p99_ms is None else -figure.p99_ms


def measure(call: Call, servers: Servers) -> list[Figure]:
    """Make a call once; no figure where the driver is missing or fails, or its server cannot be had."""
    if not ROOT.joinpath(*call.driver.module.split(".")).with_suffix(".py").exists():
        return _left_out(call, "there is no such driver yet")
    print(f"measuring {call.name}", flush=True)
    try:
        done = subprocess.run(
            [*call.command, "--server", servers.empty(call.driver.server)],
            cwd=ROOT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=DRIVER_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as fault:
        return _left_out(call, f"{fault}\n{fault.stderr}")
    except (MissingBinaries, ServerMissing, subprocess.TimeoutExpired) as fault:
        return _left_out(call, str(fault))
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def _left_out(call: Call, why: str) -> list[Figure]:
    print(f"left out {call.name}: {why}", file=sys.stderr, flush=True)
    return []


if __name__ == "__main__":
    main()
