"""Where the database servers' programs are, and getting them from Debian when they are missing and we may."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = {"postgresql": "postgresql", "mariadb": "mariadb-server"}
PROGRAMS = {
    "postgresql": (("initdb",), ("postgres",)),
    "mariadb": (("mariadb-install-db", "mysql_install_db"), ("mariadbd", "mysqld")),
}


class MissingBinaries(Exception):
    """The server's programs are not installed and cannot be."""


def program(kind: str, names: tuple[str, ...]) -> str | None:
    """The path of the first of these programs that is installed."""
    for name in names:
        if found := shutil.which(name, path=os.pathsep.join(_folders(kind))):
            return found
    return None


def programs(kind: str) -> tuple[str, str]:
    """The paths of a server's installer and of the server itself; installs Debian's package where needed and allowed.

    Raises:
        MissingBinaries: says what to install.
    """
    found = _installed(kind)
    if found is None and _may_install():
        _install(PACKAGES[kind])
        found = _installed(kind)
    if found is None:
        raise MissingBinaries(f"{kind} is not installed (Debian: apt-get install {PACKAGES[kind]})")
    return found


def _installed(kind: str) -> tuple[str, str] | None:
    installer, server = (program(kind, names) for names in PROGRAMS[kind])
    return (installer, server) if installer and server else None


def _folders(kind: str) -> list[str]:
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    if kind == "postgresql":
        releases = Path("/usr/lib/postgresql").glob("*/bin")
        folders = [str(folder) for folder in sorted(releases, key=_release, reverse=True)] + folders
    return folders


def _release(folder: Path) -> int:
    number = folder.parent.name
    return int(number) if number.isdigit() else 0


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(package: str) -> None:
    """Install without starting the package's own server; a failure shows as programs still missing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
