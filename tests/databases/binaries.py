"""Where the database servers' programs are, and getting them from Debian when they are missing and we may."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = {"postgresql": "postgresql", "mariadb": "mariadb-server"}
PROGRAMS: dict[str, list[tuple[str, ...]]] = {
    "postgresql": [("initdb",), ("postgres",)],
    "mariadb": [("mariadb-install-db", "mysql_install_db"), ("mariadbd", "mysqld")],
}


class MissingBinaries(Exception):
    """The server's programs are not installed and cannot be."""


def programs(kind: str) -> tuple[str, str]:
    """The paths of a database's installer and of the server itself."""
    installer, server = find_or_install(PACKAGES[kind], PROGRAMS[kind])
    return installer, server


def find_or_install(package: str, wanted: list[tuple[str, ...]]) -> list[str]:
    """The path of each wanted program, by any of its names; Debian's package is installed where needed and allowed.

    Raises:
        MissingBinaries: says what to install.
    """
    found = _installed(wanted)
    if found is None and _may_install():
        _install(package)
        found = _installed(wanted)
    if found is None:
        names = " and ".join(names[0] for names in wanted)
        raise MissingBinaries(f"{names} not found (Debian: apt-get install {package})")
    return found


def _installed(wanted: list[tuple[str, ...]]) -> list[str] | None:
    path = os.pathsep.join(_folders())
    found = [next(filter(None, (shutil.which(name, path=path) for name in names)), None) for names in wanted]
    return [program for program in found if program] if all(found) else None


def _folders() -> list[str]:
    # Debian keeps PostgreSQL's programs out of PATH, one folder for each release.
    releases = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_release, reverse=True)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [*map(str, releases), *path, "/usr/sbin", "/usr/local/sbin"]


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
