"""Every test leaves no process and no thread behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.databases import process
from tests.databases.plugin import keeper_pid

PATIENCE_SECONDS = 2.0


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a child process or a thread; the process is killed, so that the next test is not hit."""
    children, threads = set(process.children(os.getpid())), set(threading.enumerate())
    yield
    known = children | {keeper_pid(request.config)}
    leaked = [child for child in process.children(os.getpid()) if child not in known]
    leaked = [child for child in leaked if not process.ended(child, PATIENCE_SECONDS)]
    names = [f"process {child}: {process.command(child)}" for child in leaked]
    for child in leaked:
        process.signal_family(child, signal.SIGKILL)
    names += [f"thread {thread.name}" for thread in _still_alive(threads)]
    if names:
        pytest.fail("left behind: " + "; ".join(names), pytrace=False)


def _still_alive(before: set[threading.Thread]) -> list[threading.Thread]:
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        thread.join(PATIENCE_SECONDS)
    return [thread for thread in new if thread.is_alive()]
