"""`make demo`: the news desk under Matins, from nothing to finished jobs in seconds.

Starts the sample feeds and ``matins up`` with a database under ``.demo/``, then does what an operator would: enables
the schedule of the development environment, triggers it, looks at its history. Ctrl-C stops everything in order.
``DEMO_FOLDER`` puts the database elsewhere.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", EXAMPLES.parent / ".demo")).resolve()
DATABASE = FOLDER / "matins.db"
MATINS = [str(Path(sys.executable).with_name("matins")), "--app", "newsdesk.schedules:app"]
SCHEDULE = "dev-quick-test"
READY_SECONDS = 30.0
STARTED = time.monotonic()


class DemoError(Exception):
    """The demo cannot go on."""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # each is a Ctrl-C
    try:
        with sample_feeds() as addresses, matins_up(environment(addresses)) as up:
            show_around(up, environment(addresses))
            return up.wait()
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def show_around(up: subprocess.Popen[bytes], variables: dict[str, str]) -> None:
    """The operator's part."""
    wait_until_ready(up)
    command(variables, "enable", SCHEDULE)
    # It may be running by itself just now: then this one waits for its turn.
    command(variables, "trigger", SCHEDULE, "--overlap", "buffer_one", "--wait")
    print(f"\nFinished {time.monotonic() - STARTED:.1f} s after the start. The ledger has it:")
    command(variables, "history", SCHEDULE)
    print(HINTS.format(database=variables["DATABASE_URL"], digest=FOLDER / "newsdesk" / "digest.md"), flush=True)


HINTS = """
From here, in another terminal, in the folder examples/:

    export DATABASE_URL={database} MATINS_APP=newsdesk.schedules:app
    ../.venv/bin/matins schedules                  what there is, and when it runs next
    ../.venv/bin/matins show dev-quick-test        one schedule, its next fires and last runs
    ../.venv/bin/matins runs                       every run of every job
    ../.venv/bin/matins logs RUN                   what one of them printed
    ../.venv/bin/matins trigger dev-quick-test     run it now

The jobs wrote {digest}
dev-quick-test runs again at every fifth minute. Ctrl-C stops the demo.
"""


def wait_until_ready(up: subprocess.Popen[bytes]) -> None:
    """Return as soon as the daemon is there and has brought the schedule into the database."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(up.pid):
        if up.poll() is not None:
            raise DemoError(f"matins up ended with exit code {up.returncode}")
        if time.monotonic() > deadline:
            raise DemoError(f"the daemon was not ready within {READY_SECONDS:.0f} s")
        time.sleep(0.05)


READY = """
SELECT 1 FROM worker_instance, job_schedule
WHERE pid = ? AND status = 'RUNNING' AND version_id IS NOT NULL AND job_schedule.id = ?
"""


def is_ready(pid: int) -> bool:
    """Whether both have their rows. Asked of the file itself: a command each time would slow the start down."""
    if not DATABASE.exists():
        return False
    with closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True, timeout=5)) as connection:
        try:
            return bool(connection.execute(READY, (pid, SCHEDULE)).fetchall())
        except sqlite3.OperationalError:
            return False  # it is still being made


def command(variables: dict[str, str], *arguments: str) -> None:
    """Run one command of Matins as anybody would, its output on this terminal."""
    say("matins", *arguments)
    done = subprocess.run([*MATINS, *arguments], cwd=EXAMPLES, env=variables, check=False)
    if done.returncode:
        raise DemoError(f"matins {' '.join(arguments)} ended with exit code {done.returncode}")


def say(*words: str) -> None:
    print("\n$", *words, flush=True)


@contextmanager
def matins_up(variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Matins as one process, stopped in order at the end.

    It has a session of its own, so that Ctrl-C reaches it once, from here, and a second one hurries it.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    say("matins", "--app", "newsdesk.schedules:app", "up")
    with subprocess.Popen([*MATINS, "up"], cwd=EXAMPLES, env=variables, start_new_session=True) as up:
        try:
            yield up
        finally:
            stop(up)


def stop(up: subprocess.Popen[bytes]) -> None:
    """Ask it to stop until it has."""
    while up.poll() is None:
        up.send_signal(signal.SIGTERM)
        try:
            up.wait()
        except KeyboardInterrupt:
            continue


@contextmanager
def sample_feeds() -> Iterator[str]:
    """The sample feeds on a free port, unless real ones are named; their addresses, separated by blanks."""
    if named := os.environ.get("NEWSDESK_FEEDS"):
        yield named
        return
    with subprocess.Popen(
        [sys.executable, "-m", "newsdesk.sample_server"],
        cwd=EXAMPLES,
        stdin=subprocess.PIPE,  # a lifeline: the server ends with us
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


def environment(addresses: str) -> dict[str, str]:
    """What everything in the demo is started with."""
    return {
        **os.environ,
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{DATABASE}",
        "NEWSDESK_FEEDS": addresses,
        "NEWSDESK_FOLDER": str(FOLDER / "newsdesk"),
        "PORT": os.environ.get("PORT") or str(free_port(preferred=8080)),
    }


def free_port(preferred: int) -> int:
    """A port to serve on: the preferred one where it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no free port")


if __name__ == "__main__":
    sys.exit(main())
