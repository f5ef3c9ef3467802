"""How a supervisor is started: a Python without site packages that imports this package, nothing around it.

`import matins.execution.supervisor` would run `matins/__init__.py` and with it everything users import, which
costs memory and time in each slot and is not to be had without site packages. So the packages above are stood
in for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from socket import socket

_BOOT = """
import sys
for name, path in (("matins", {root!r}), ("matins.execution", {here!r})):
    sys.modules[name] = package = type(sys)(name)
    package.__path__ = [path]
from matins.execution.supervisor import main
main()
"""


def start_supervisor(
    *,
    link: socket,
    page_fd: int,
    slot: int,
    settings: dict[str, object],
    directory: str | None,
    environment: dict[str, str],
) -> subprocess.Popen[bytes]:
    """Start the supervisor of a slot at the other end of `link`.

    Raises:
        OSError: no process can be started now.
    """
    here = Path(__file__).resolve().parent
    boot = _BOOT.format(root=str(here.parent), here=str(here))
    arguments = [str(link.fileno()), str(page_fd), str(slot), json.dumps(settings)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", boot, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(link.fileno(), page_fd),
        cwd=directory,
        env=environment,
        start_new_session=True,
    )


def child_environment(passed: tuple[str, ...], mark: dict[str, str]) -> dict[str, str]:
    """The daemon's environment with a mark, and without the secrets the application does not ask for."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS or name in passed}
    return {**kept, **mark}


SECRETS = frozenset(("DATABASE_URL", "JWT_SECRET"))
"""What the daemon needs and a job does not."""
