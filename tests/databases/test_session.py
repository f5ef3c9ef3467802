"""What a session does about missing servers and about what tests leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases.client import ROOT, ServerMissing
from tests.databases.session import do_without

LEAVES_A_PROCESS = """
import subprocess
running = []
def test_leaves_a_process():
    running.append(subprocess.Popen(["sleep", "60"]))
"""

LEAVES_A_THREAD = """
import threading
def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, args=(30,), name="forgotten", daemon=True).start()
"""

LEAVES_NOTHING = """
import subprocess, threading
def test_waits_for_what_it_started():
    subprocess.run(["true"])
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (LEAVES_A_PROCESS, "left behind: process"),
        (LEAVES_A_THREAD, "left behind: thread forgotten"),
        (LEAVES_NOTHING, "1 passed"),
    ],
)
def test_a_test_that_leaves_something_behind_fails(tmp_path: Path, code: str, outcome: str) -> None:
    (tmp_path / "test_it.py").write_text(code)
    plugins = ["-p", "tests.databases.plugin", "-p", "tests.leaks", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", tmp_path, "-c", os.devnull, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome in done.stdout
    assert done.returncode == (0 if "passed" in outcome else 1)


def test_a_missing_server_skips_its_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("MATINS_TEST_REQUIRE_DATABASES", raising=False)

    with pytest.raises(pytest.skip.Exception, match="DATABASE SERVER MISSING: no postgres"):
        do_without(ServerMissing("no postgres"))


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("MATINS_TEST_REQUIRE_DATABASES", "1")])
def test_where_every_database_has_to_be_there_a_missing_server_fails_its_tests(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(pytest.fail.Exception, match="DATABASE SERVER MISSING: no postgres"):
        do_without(ServerMissing("no postgres"))
