"""`make demo`, as somebody who tries Matins for the first time sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsdesk.desk import open_desk
from tests.databases import process

ROOT = Path(__file__).parents[2]
INVITATION = "Ctrl-C stops the demo"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "examples/demo.py"],
        cwd=ROOT,
        env={**os.environ, "DEMO_FOLDER": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        yield running
        # In order even where the test has failed: what the demo started is stopped by the demo.
        running.terminate()


def read_until(demo: subprocess.Popen[str], sign: str) -> str:
    """What the demo prints up to a line with the sign; the test's time limit bounds the wait."""
    assert demo.stdout is not None
    lines: list[str] = []
    for line in demo.stdout:
        lines.append(line)
        if sign in line:
            return "".join(lines)
    raise AssertionError("the demo ended early:\n" + "".join(lines))


def test_the_demo_shows_finished_jobs_and_their_history_and_stops_in_order(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    shown = read_until(demo, INVITATION)
    descendants = process.children(demo.pid)
    os.killpg(demo.pid, signal.SIGINT)
    output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 0, shown + output
    assert "14 items, 14 new" in shown
    assert re.search(r"\bmanual\b.*\bsucceeded\b", shown)
    with open_desk(tmp_path / "newsdesk" / "newsdesk.db") as desk:
        assert desk.count() == 53
    assert "## Ferries" in (tmp_path / "newsdesk" / "digest.md").read_text()
    assert descendants
    assert all(process.ended(child, 10) for child in descendants)
