"""The installed command, its daemons, and a small shop to run: what the acceptance tests of the CLI stand on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matins.admin import occurrences
from matins.admin.records import OccurrenceRecord
from matins.config import variables
from matins.store.engine import Store

MATINS = str(Path(sys.executable).with_name("matins"))
PATIENCE_SECONDS = 30.0
SHOP = """
import signal
import time

from matins import Matins, cron, every, shell

app = Matins(name="shop")


@app.job(tags=["feed"])
def work(ctx):
    print("working on", ctx.args.get("day", "today"), flush=True)


@app.job
def fails(ctx):
    print("about to fail", flush=True)
    raise ValueError("no feed\\nsecond line")


@app.job
def lasts(ctx):
    print("begun", flush=True)
    while not ctx.cancelled:
        time.sleep(0.02)


@app.job
def stubborn(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("begun", flush=True)
    while True:
        time.sleep(0.02)


app.job(shell("echo hello"), name="hello")

app.schedule("tick", every(seconds=1), jobs="work")
app.schedule("feed", cron("0 0 31 2 *"), jobs={"tag": "feed"}, description="Fetch every feed")
app.schedule("failing", cron("0 0 31 2 *"), jobs="fails")
app.schedule("long", cron("0 0 31 2 *"), jobs="lasts")
app.schedule("obstinate", cron("0 0 31 2 *"), jobs="stubborn")
app.schedule("minutely", cron("* * * * *"), jobs=["work", "hello"])
app.schedule("nightly", cron("0 2 * * *", tz="Europe/Berlin"), jobs="work", environments={"production"})
"""


@dataclass(slots=True, kw_only=True)
class Done:
    """One command's end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it answered a program."""
        return json.loads(self.out)


@dataclass(slots=True, kw_only=True)
class Running:
    """A command under way; what it writes is read as it comes."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)

    def read(self) -> None:
        """Begin reading both streams."""
        for stream in (self.process.stdout, self.process.stderr):
            reader = threading.Thread(target=self._collect, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def wait_for(self, text: str) -> None:
        """Return when a line with this text has come."""
        with self._news:
            came = self._news.wait_for(lambda: any(text in line for line in self.lines), PATIENCE_SECONDS)
        assert came, f"{text!r} never came: {self.lines}"

    def signal(self, number: signal.Signals) -> None:
        """Send it to the command alone."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, all it wrote having been read."""
        code = self.process.wait(PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
        return code

    def _collect(self, stream: Any) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()


@dataclass(slots=True, kw_only=True)
class Shop:
    """A folder with the app's code, a database, and the command to run on them."""

    folder: Path
    url: str | None
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.declare(SHOP)

    def declare(self, code: str) -> None:
        """Put this code in place, as a deploy would."""
        (self.folder / "shop.py").write_text(code)

    def matins(self, *arguments: str, stdin: str | None = None, **more: str) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            [MATINS, *arguments],
            cwd=self.folder,
            env=self._environment(more),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def done(self, *arguments: str, **more: str) -> Done:
        """Run a command that must succeed."""
        done = self.matins(*arguments, **more)
        assert done.code == 0, (arguments, done)
        return done

    @contextmanager
    def running(self, *arguments: str, **more: str) -> Iterator[Running]:
        """A command under way; killed at the end if it is still there."""
        process = subprocess.Popen(
            [MATINS, *arguments],
            cwd=self.folder,
            env=self._environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running = Running(process=process)
        running.read()
        try:
            yield running
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.kill()
            running.wait()

    @contextmanager
    def daemon(self, command: str = "up", **more: str) -> Iterator[Running]:
        """A daemon that is ready; stopped in order at the end."""
        with self.running(command, **more) as daemon:
            daemon.wait_for("Polling every")
            yield daemon
            if daemon.process.poll() is None:
                daemon.signal(signal.SIGTERM)
                # What still runs is of no interest any more: hurry.
                daemon.wait_for("Stopping on")
                daemon.signal(signal.SIGTERM)
                daemon.wait()

    def history(self, schedule: str) -> tuple[OccurrenceRecord, ...]:
        """A schedule's occurrences, the latest fire first; without a process, so that it may be asked often."""
        with closing(Store(self.database_url)) as store:
            return occurrences.history(store, schedule, limit=100).occurrences

    @property
    def database_url(self) -> str:
        """The database, wherever a command would take it from."""
        return self.url or f"sqlite:///{self.folder}/matins.db"

    @property
    def environment(self) -> dict[str, str]:
        """What is set for every command, besides what the tests' own environment has."""
        own = {"MATINS_APP": "shop:app", "MATINS_ACTOR": "ann", "NO_COLOR": "1", "TZ": "UTC", "MATINS_CONCURRENCY": "2"}
        place = {} if self.url is None else {"DATABASE_URL": self.url}
        return {**own, **place, **self.variables}

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        bare = {name: value for name, value in os.environ.items() if name not in variables()}
        return {**bare, **self.environment, **more}


def until(truth: Callable[[], bool], what: str) -> None:
    """Return when it holds; asked again and again, for nobody tells when a database changes."""
    pace = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        if truth():
            return
        pace.wait(0.1)
    raise AssertionError(f"it never came to pass: {what}")
