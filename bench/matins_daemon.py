"""A schedule daemon as a process, for measuring: started, watched in /proc, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.measure import sleep_until, unix_time

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class DaemonProcess(AbstractContextManager["DaemonProcess"]):
    """`matins daemon` over the benchmark's application."""

    url: str
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DaemonProcess:
        settings = {"MATINS_APP": "bench.matins_app:app", "DATABASE_URL": self.url, "MATINS_LOG_FORMAT": "json"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "matins.cli.main", "daemon"],
                cwd=ROOT,
                env={**os.environ, **settings, **self.environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it as a machine that loses its power would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def cpu_seconds(self) -> float:
        """The processor time it has used itself, its children left out."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self) -> float:
        """What it holds in memory of its own."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def said(self, text: str) -> bool:
        """Whether its log has this text."""
        return text in self.log.read_text(errors="replace")


def wait_for(what: str, holds: Callable[[], bool], seconds: float, every: float = 0.05) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it did not within that time.
    """
    ended = unix_time() + seconds
    while not holds():
        if unix_time() > ended:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        sleep_until(unix_time() + every)
