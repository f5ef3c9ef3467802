"""One server's process: started unprivileged and tied to its parent, then signalled as a whole family."""

from __future__ import annotations

import ctypes
import os
import pwd
import random
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypedDict

ZONE = "America/St_Johns"
"""The zone servers run in: half an hour off, with daylight saving, so that a forgotten UTC shows."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def unprivileged(preferred: str) -> pwd.struct_passwd | None:
    """The account a server runs under where we are root, which database servers refuse to be; None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in (preferred, "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError(f"running as root, and there is neither a user {preferred!r} nor 'nobody'")


def free_port() -> int:
    """A port nobody listens on, below the range outgoing connections take theirs from, so that it stays free."""
    for port in random.sample(range(20_000, 32_000), 200):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError("no free port between 20000 and 32000")


def run(arguments: Sequence[str | Path], account: pwd.struct_passwd | None, folder: Path) -> None:
    """Run a program that ends by itself; its output is raised when it fails."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=_environment(folder),
        check=False,
        **_identity(account),
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed:\n{done.stdout.decode(errors='replace')}")


def spawn(
    arguments: Sequence[str | Path], account: pwd.struct_passwd | None, folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own that the kernel kills when this process ends."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
            # Safe here: whoever spawns servers has a single thread.
            preexec_fn=_die_with_parent,
            **_identity(account),
        )


def signal_family(pid: int, number: signal.Signals) -> None:
    """Signal a process and all its descendants, the ancestor first so that it makes no new ones meanwhile."""
    members = [pid]
    while members:
        for member in members:
            with suppress(ProcessLookupError):
                os.kill(member, number)
        members = [child for member in members for child in children(member)]


def children(pid: int) -> list[int]:
    """The living children of a process, all its threads' together; finished ones nobody waited for do not count."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return [child for child in found if is_alive(child)]


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def command(pid: int) -> str:
    """A process's command line, for people."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return "?"


def ended(pid: int, timeout_seconds: float) -> bool:
    """Wait for a process to end, waited for by its parent or not; whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_seconds)[0])
    finally:
        os.close(descriptor)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    return {**kept, "TZ": ZONE, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(account: pwd.struct_passwd | None) -> _Identity:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
