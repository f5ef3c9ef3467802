"""The machine that is measured on: what it is, and whether it has the time."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path

QUIET = 0.2
"""The share of all cores that others may take while figures still mean something."""


def facts() -> str:
    """What it is, in one line."""
    cpu = re.search(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _text("/proc/meminfo"))
    named = [
        f"{os.cpu_count()} cores ({cpu.group(1) if cpu else platform.machine()})",
        f"{int(memory.group(1)) // 1024**2} GiB" if memory else "",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        "servers on the same machine, fsync on",
    ]
    return ", ".join(filter(None, named))


class Stillness:
    """Waits for the machine to have nothing else to do, but not for ever."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds

    def wait(self) -> bool:
        """Return when the machine is quiet, or when patience, which is one for all calls, has run out; whether it is."""
        while (busy := busy_share()) > QUIET:
            print(f"others keep the machine {busy:.0%} busy", flush=True)
            if self._patience <= 0:
                return False
            began = time.monotonic()
            time.sleep(min(10.0, self._patience))
            self._patience -= time.monotonic() - began
        return True


def busy_share(seconds: float = 2.0) -> float:
    """How much of all cores' time is used just now, from 0 to 1; zero where that cannot be told."""
    before = _cpu_times()
    time.sleep(seconds)
    spent = [after - earlier for after, earlier in zip(_cpu_times(), before, strict=True)]
    idle = sum(spent[3:5])  # idle, and waiting for a disk
    return 1 - idle / sum(spent) if sum(spent) else 0.0


def _cpu_times() -> list[int]:
    return [int(number) for number in _text("/proc/stat").partition("\n")[0].split()[1:]]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
