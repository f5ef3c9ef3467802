"""Daemons as processes of their own, on one database: start them, hurt them, and hold the ledger to its promises after.

Two witnesses speak: the ledger's rows, read by queries of the tests' own, and the file the jobs write themselves, which
alone can tell that a run was started twice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from matins.domain.schedule import ScheduleDefinition
from matins.domain.triggers import from_data
from matins.errors import StoreError
from matins.store.engine import Store
from matins.store.migrate import migrate
from matins.store.tables import job_run, job_schedule, occurrence, worker_instance
from tests.databases import process

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).parent / "driver.py"
LOCK_TIMEOUT = 3.0
HEARTBEAT = 0.5
MARGIN = LOCK_TIMEOUT / 6
ON_TIME = 1.0
"""How late a quick run may start on a test machine that has other things to do, and still be on time."""
T = TypeVar("T")
_pulse = threading.Event()


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The condition's first true answer; a database that is away is none."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(StoreError):
            answer = condition()
            if answer:
                return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        _pulse.wait(0.03)


def let_pass(seconds: float) -> None:
    """A span in which a fault is in force; nothing is waited for."""
    _pulse.wait(seconds)


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Line:
    """What a job wrote down."""

    what: str
    run: int
    occurrence: int
    attempt: int
    schedule: str
    job: str
    at: float
    pid: int
    late: float
    """Seconds after the planned instant, by the wall clock."""


class Daemon:
    """One daemon's process."""

    def __init__(self, process_: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process_
        self.log = log
        self.pid = process_.pid

    def events(self) -> list[dict[str, Any]]:
        """What it has logged, line by line."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def said(self, start: str) -> list[dict[str, Any]]:
        """The lines that begin so."""
        return [line for line in self.events() if isinstance(line, dict) and line["event"].startswith(start)]

    def until_said(self, start: str, seconds: float = 20.0, *, times: int = 1) -> dict[str, Any]:
        """Wait for a line that begins so, the last of that many."""

        def heard() -> dict[str, Any] | None:
            found = self.said(start)
            if len(found) >= times:
                return found[times - 1]
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon exited with {self.process.returncode}:\n{self.tail()}")
            return None

        try:
            return until(heard, seconds, f"the daemon says {start!r}") or {}
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def tail(self) -> str:
        """The end of its log, for people."""
        return self.log.read_text(errors="replace")[-4000:]

    @property
    def worker(self) -> str:
        """Its present identity."""
        return str(self.said("Schedule daemon registered")[-1]["worker"])

    def signal(self, number: signal.Signals) -> None:
        """Signal this process alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and nothing else."""
        self.process.kill()
        self.process.wait()

    def exit_code(self, seconds: float = 15.0) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon did not end within {seconds:g} s\n{self.tail()}") from None

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return self.exit_code(seconds)

    def family(self) -> list[int]:
        """All living processes below it."""
        found, ahead = [], [self.pid]
        while ahead:
            children = process.children(ahead.pop())
            found += children
            ahead += children
        return found

    def supervisors(self) -> list[int]:
        """Its slots' supervisors."""
        return [child for child in process.children(self.pid) if "supervisor" in process.command(child)]

    def connections(self, port: int) -> int:
        """How many connections this process has to a local port."""
        inodes = set()
        with suppress(OSError):
            for fd in Path(f"/proc/{self.pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(os.readlink(fd))
        count = 0
        for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[2].endswith(f":{port:04X}") and parts[3] == "01" and f"socket:[{parts[9]}]" in inodes:
                count += 1
        return count


@dataclass
class Site:
    """An application, its database, its daemons and what its jobs wrote down."""

    url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    daemons: list[Daemon] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.url, pool_size=2, statement_timeout=5)
        self.witness_file = self.folder / "witness"
        self.witness_file.touch()

    def write_app(self, text: str) -> None:
        """Deploy this code; the file is replaced whole, as deploys do it."""
        new = self.folder / "shop.py.new"
        new.write_text(text)
        new.replace(self.folder / "shop.py")

    def migrate(self) -> None:
        migrate(self.store)

    def start(
        self, *arguments: str, wait: bool = True, stderr: Any = None, before: Sequence[str] = (), **settings: str
    ) -> Daemon:
        """Start a daemon; by default return when it works."""
        log = self.folder / f"daemon-{len(self.daemons)}.log"
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")},
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": self.url,
            "MATINS_APP": "shop:app",
            "WITNESS": str(self.witness_file),
            "LOCK_TIMEOUT_MS": str(int(LOCK_TIMEOUT * 1000)),
            "HEARTBEAT_INTERVAL_MS": str(int(HEARTBEAT * 1000)),
            "SHUTDOWN_GRACE_MS": "5000",
            "MATINS_CONCURRENCY": "3",
            **self.settings,
            **settings,
        }
        with log.open("ab") as output:
            process_ = subprocess.Popen(
                [*before, sys.executable, str(DRIVER), *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output if stderr is None else stderr,
                start_new_session=True,
            )
        daemon = Daemon(process_, log)
        self.daemons.append(daemon)
        if wait:
            daemon.until_said("Polling every", 30)
        return daemon

    def close(self) -> None:
        """End every daemon with all below it."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                below = daemon.family()
                process.signal_family(daemon.pid, signal.SIGKILL)
                daemon.process.wait()
                for pid in below:
                    process.ended(pid, 5)
        self.store.close()

    # What became of it all.

    def rows(self, query: Any) -> list[Any]:
        """Rows as they are now."""
        return self.store.read(lambda tx: tx.rows(query))

    def schedules(self) -> list[Any]:
        return self.rows(select(job_schedule).order_by(job_schedule.c.id))

    def schedule(self, id_: str) -> Any:
        return self.rows(select(job_schedule).where(job_schedule.c.id == id_))[0]

    def occurrences(self, id_: str | None = None) -> list[Any]:
        query = select(occurrence).order_by(occurrence.c.fire_at, occurrence.c.id)
        return self.rows(query if id_ is None else query.where(occurrence.c.schedule_id == id_))

    def runs(self, *where: Any) -> list[Any]:
        return self.rows(select(job_run).where(*where).order_by(job_run.c.id))

    def workers(self) -> dict[str, Any]:
        return {row.id: row for row in self.rows(select(worker_instance))}

    def now(self) -> datetime:
        """The database's clock."""
        return until(lambda: self.store.read(lambda tx: tx.now), 30, "the database answers")

    def witnessed(self, what: str | None = None, *, job: str | None = None) -> list[Line]:
        """What the jobs wrote down."""
        found = []
        for text in self.witness_file.read_text().splitlines():
            word, run, of, attempt, schedule, name, at, pid, late = text.split()
            line = Line(word, int(run), int(of), int(attempt), schedule, name, float(at), int(pid), float(late))
            if what in (None, line.what) and job in (None, line.job):
                found.append(line)
        return found

    def until_begun(self, job: str, seconds: float = 15.0, *, after: float = 0.0) -> Line:
        """Wait for a run of this job that says it began."""
        return until(
            lambda: next((one for one in self.witnessed("begin", job=job) if one.at > after), None),
            seconds,
            f"a run of {job} begins\n{self.tails()}",
        )  # type: ignore[return-value]

    def until_on_time(self, seconds: float = 20.0) -> float:
        """Wait until every schedule has had a punctual, successful fire since now; how long that took."""
        since, began = self.now(), time.monotonic()
        wanted = {row.id for row in self.schedules() if row.enabled and row.removed_at is None}

        def healed() -> bool:
            query = select(occurrence.c.schedule_id, occurrence.c.planned_at, occurrence.c.started_at).where(
                occurrence.c.planned_at >= since, occurrence.c.status == "succeeded"
            )
            good = {
                row.schedule_id
                for row in self.rows(query)
                if row.started_at - row.planned_at < timedelta(seconds=ON_TIME)
            }
            return good >= wanted

        try:
            until(healed, seconds, "every schedule is on time again")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tails()}") from None
        return time.monotonic() - began

    def until_quiet(self, seconds: float = 15.0) -> None:
        """Wait until nothing is running or waiting; the daemons must have been stopped."""
        until(lambda: not self.open_occurrences(), seconds, "no occurrence is open")

    def open_occurrences(self) -> list[Any]:
        return self.rows(select(occurrence).where(occurrence.c.status.in_(("pending", "running"))))

    def tails(self) -> str:
        """The ends of all logs, for people."""
        return "\n".join(f"--- {daemon.log.name}\n{daemon.tail()}" for daemon in self.daemons)

    def stop_all(self) -> None:
        """SIGTERM to all daemons; each must exit with 0."""
        running = [daemon for daemon in self.daemons if daemon.process.poll() is None]
        for daemon in running:
            daemon.signal(signal.SIGTERM)
        for daemon in running:
            assert daemon.exit_code() == 0, daemon.tail()

    def account(self) -> None:
        """Every planned fire has exactly one row, no run began twice, no two attempts of one fire overlap."""
        self.account_for_fires()
        self.account_for_starts()

    def account_for_fires(self) -> None:
        for row in self.schedules():
            definition = ScheduleDefinition.from_data(row.definition)
            trigger = from_data(definition.trigger)
            expected, at = [], trigger.next_after(row.created_at)
            while at is not None and at <= row.planned_through:
                expected.append(at)
                at = trigger.next_after(at)
            found: Counter[datetime] = Counter()
            for one in self.occurrences(row.id):
                if one.planned_at is None:
                    continue
                first = one.range_from or one.planned_at
                covered = [fire for fire in expected if first <= fire <= one.planned_at]
                assert len(covered) == one.count, f"{row.id}: {one.planned_at} counts {one.count}, covers {covered}"
                found.update(covered)
            doubled = [fire for fire, count in found.items() if count > 1]
            assert not doubled, f"{row.id}: rows twice for {doubled}"
            missing = [fire for fire in expected if fire not in found]
            assert not missing, f"{row.id}: no row for {missing}"

    def account_for_starts(self) -> None:
        lines = self.witnessed()
        begun = Counter(line.run for line in lines if line.what == "begin")
        twice = {run: count for run, count in begun.items() if count > 1}
        assert not twice, f"runs started twice: {twice}"
        known = {row.id: row for row in self.runs()}
        unknown = [line for line in lines if line.run not in known]
        assert not unknown, f"runs without a row: {unknown}"
        ended = {line.run for line in lines if line.what == "end"}
        for row in known.values():
            if row.status == "succeeded":
                assert row.id in ended, f"run {row.id} is recorded as succeeded, and its job never ended"
            if row.status in ("pending", "skipped"):
                assert row.id not in begun, f"run {row.id} began and is recorded as {row.status}"
        self._no_overlap(lines)

    def _no_overlap(self, lines: list[Line]) -> None:
        by_job: dict[tuple[int, str], dict[int, list[float]]] = {}
        for line in lines:
            by_job.setdefault((line.occurrence, line.job), {}).setdefault(line.attempt, []).append(line.at)
        for (of, job), attempts in by_job.items():
            order = sorted(attempts)
            for earlier, later in pairwise(order):
                gap = min(attempts[later]) - max(attempts[earlier])
                assert gap > 0, f"occurrence {of}, {job}: attempt {earlier} was alive {-gap:.3f} s into {later}"

    def nothing_held(self) -> None:
        """No run, lock or worker stays behind once the daemons have stopped."""
        assert self.runs(job_run.c.status == "running") == []
        held = [row.id for row in self.schedules() if row.locked_at is not None or row.locked_by is not None]
        assert held == []
        running = [row.id for row in self.workers().values() if row.status == "RUNNING"]
        assert running == [], running


def at_site(url: str, folder: Path, **settings: str) -> Iterator[Site]:
    """A site with the schema in place, closed afterwards."""
    site = Site(url, folder, settings)
    try:
        yield site
    finally:
        site.close()
