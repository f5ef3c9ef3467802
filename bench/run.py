"""Measures Matins and its peers one after the other and writes the tables of ``docs/performance.md``.

``python -m bench.run --help`` says what can be chosen. Servers are throw-away ones with fsync on; each driver gets an
empty database and the machine to itself. A driver that fails is named and left out.
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
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.measure import Figure
from bench.redis_server import redis_server
from tests.databases.binaries import MissingBinaries
from tests.databases.client import KeeperClient, KeeperProcess, Server, ServerMissing
from tests.databases.creation import MariaDBPlace, Place, PostgreSQLPlace, SQLitePlace

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / ".venv"
REQUIREMENTS = ROOT / "bench" / "requirements.txt"
DATABASES = ("sqlite", "postgresql", "mariadb")
FLOOR_RUNS = (8, 16, 32, 50)
FLOOR_SCHEDULES = 4000
DRIVER_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One module to run for some works against one kind of server."""

    module: str
    server: str
    works: tuple[str, ...] = ("burst", "lateness")
    options: tuple[str, ...] = ()
    python: str = sys.executable

    @property
    def name(self) -> str:
        return f"{self.module} {self.server} {' '.join(self.options)}".strip()


PEER_PYTHON = str(PEERS / "bin" / "python")
MATINS = [Driver(module="bench.matins_driver", server=kind) for kind in DATABASES]
OTHERS = [
    Driver(module="bench.peers.apscheduler_threads", server="none", python=PEER_PYTHON),
    Driver(module="bench.peers.celery_beat", server="redis", works=("burst",), python=PEER_PYTHON),
    Driver(module="bench.peers.procrastinate_periodic", server="postgresql", python=PEER_PYTHON),
]
FLOOR = [
    Driver(module="bench.peers.sql_floor", server=kind, works=("floor",), options=("--runs", str(runs)))
    for kind in DATABASES
    for runs in FLOOR_RUNS
]


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
    parser.add_argument("--only", default="", help="only drivers whose name has this text, `floor` or `matins` say")
    parser.add_argument("--schedules", type=int, nargs="+", default=[1000, 10_000], help="how many are due at once")
    parser.add_argument("--repeat", type=int, default=1, help="take the middle one of so many measurements")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    arguments = parser.parse_args()

    drivers = [driver for driver in (*MATINS, *OTHERS, *FLOOR) if arguments.only in driver.name]
    if any(driver.python == PEER_PYTHON for driver in drivers):
        install_peers()
    figures = measure_all(drivers, arguments.schedules, arguments.repeat)
    tables = report.tables(figures)
    print("\n" + tables)
    if not arguments.no_write:
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


def measure_all(drivers: Sequence[Driver], schedules: Sequence[int], repeat: int) -> list[Figure]:
    """Run every driver on every work it knows, and keep the middle figure of each."""
    figures: list[Figure] = []
    with ExitStack() as stack:
        keeper = KeeperProcess()
        stack.callback(keeper.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matins-bench-")))
        servers = Servers(stack, KeeperClient(keeper.path), folder)
        for driver in drivers:
            for options in works(driver, schedules):
                taken = [figure for _ in range(repeat) for figure in measure(driver, options, servers)]
                figures += middle(taken)
    return figures


def middle(figures: Sequence[Figure]) -> list[Figure]:
    """Of each peer's figures the one in the middle, so that neither luck nor a busy moment is what is told."""
    alike: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        alike.setdefault((figure.peer, figure.setting), []).append(figure)
    ordered = (sorted(group, key=lambda figure: figure.seconds or figure.p99_ms or 0) for group in alike.values())
    return [group[len(group) // 2] for group in ordered]


def works(driver: Driver, schedules: Sequence[int]) -> Iterator[list[str]]:
    """The command lines a driver is called with."""
    for work in driver.works:
        match work:
            case "burst":
                yield from (["--work", work, "--schedules", str(count)] for count in schedules)
            case "floor":
                yield ["--schedules", str(FLOOR_SCHEDULES)]
            case _:
                yield ["--work", work]


def measure(driver: Driver, options: Sequence[str], servers: Servers) -> list[Figure]:
    """Call a driver once; no figure where it is missing, fails, or its server cannot be had."""
    if not ROOT.joinpath(*driver.module.split(".")).with_suffix(".py").exists():
        return _left_out(driver, "there is no such driver yet")
    print(f"measuring {driver.name} {' '.join(options)}", flush=True)
    try:
        server = servers.empty(driver.server)
        done = subprocess.run(
            [driver.python, "-m", driver.module, *driver.options, *options, "--server", server],
            cwd=ROOT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=DRIVER_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as fault:
        return _left_out(driver, f"{fault}\n{fault.stderr}")
    except (MissingBinaries, ServerMissing, subprocess.TimeoutExpired) as fault:
        return _left_out(driver, str(fault))
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def _left_out(driver: Driver, why: str) -> list[Figure]:
    print(f"left out {driver.name}: {why}", file=sys.stderr, flush=True)
    return []


if __name__ == "__main__":
    main()
