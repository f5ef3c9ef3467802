"""How each kind of server is set up and started. Used by the keeper only, and by it from a single thread."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from tests.databases import binaries, process

START_SECONDS = 60.0


class ServerProcess:
    """A database server with a folder and a port of its own; the port and the data outlive a restart."""

    kind: ClassVar[str]
    account_name: ClassVar[str]
    orderly_stop: ClassVar[signal.Signals]
    abrupt_stop: ClassVar[signal.Signals]

    def __init__(self, *, durable: bool) -> None:
        self.durable = durable
        self.port = process.free_port()
        self.account = process.unprivileged(self.account_name)
        self.installer, self.server = binaries.programs(self.kind)
        self.folder = _own_folder(self.kind, self.account)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def initialise(self) -> Path:
        """Make an empty data folder, and return the path of a copy of it for `adopt`."""
        process.run(self.installer_command(), self.account, self.folder)
        pristine = Path(tempfile.mkdtemp(prefix=f"matins-{self.kind}-")) / "data"
        process.run(["cp", "--archive", self.data, pristine], None, self.folder)
        return pristine

    def adopt(self, pristine: Path) -> None:
        """Begin from a copy of a data folder never started yet: a tenth of the time an installer takes."""
        process.run(["cp", "--archive", pristine, self.data], None, self.folder)

    def start(self) -> None:
        """Start, and return when connections are answered."""
        self._reap(0)
        self._process = process.spawn(self.server_command(), self.account, self.folder, self.log)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.ended(self.pid, 0.02) or time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Stop in order, committed data kept, clients cut off; kill when that takes too long."""
        if self._process is None or self._process.poll() is not None:
            return
        process.signal_family(self.pid, signal.SIGCONT)
        self._process.send_signal(self.orderly_stop)
        self._reap(timeout_seconds)

    def discard(self) -> None:
        """End the server at once and remove its data."""
        if self._process is not None and self._process.poll() is None:
            process.signal_family(self.pid, signal.SIGCONT)
            self._process.send_signal(self.abrupt_stop)
            self._reap(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def answers(self) -> bool:
        """Whether the server takes part in its protocol, not only whether its port is open."""
        raise NotImplementedError

    def installer_command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def server_command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def _reap(self, timeout_seconds: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.signal_family(self.pid, signal.SIGKILL)
            self._process.wait()


class PostgreSQL(ServerProcess):
    """PostgreSQL: trusts the loopback interface, listens nowhere else."""

    kind = "postgresql"
    account_name = "postgres"
    orderly_stop = signal.SIGINT
    abrupt_stop = signal.SIGQUIT  # not SIGKILL: the postmaster waits for its processes and leaves none

    def installer_command(self) -> Sequence[str | Path]:
        return [
            self.installer, "--pgdata", self.data, "--username", "matins", "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip

    def server_command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": process.ZONE,
            "log_timezone": process.ZONE,
            "max_connections": "200",
            "shared_buffers": "128MB",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.server, "-D", self.data, *options]

    def answers(self) -> bool:
        """Ask for TLS, the shortest question there is: a server that is up answers yes or no."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.settimeout(1)
            connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return connection.recv(1) in (b"N", b"S") and self._ready()
        return False

    def _ready(self) -> bool:
        # The postmaster answers while still recovering; the last line of its own status file says "ready".
        with suppress(OSError):
            return (self.data / "postmaster.pid").read_text().rstrip().endswith("ready")
        return False


class MariaDB(ServerProcess):
    """MariaDB: one account with a password, on the loopback interface."""

    kind = "mariadb"
    account_name = "mysql"
    orderly_stop = signal.SIGTERM
    abrupt_stop = signal.SIGKILL

    def installer_command(self) -> Sequence[str | Path]:
        return [
            self.installer, "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M",
        ]  # fmt: skip

    def server_command(self) -> Sequence[str | Path]:
        accounts = self.folder / "accounts.sql"
        accounts.write_text(
            "CREATE USER IF NOT EXISTS matins@'127.0.0.1' IDENTIFIED BY 'matins';\n"
            "GRANT ALL PRIVILEGES ON *.* TO matins@'127.0.0.1' WITH GRANT OPTION;\n"
            "CREATE DATABASE IF NOT EXISTS matins CHARACTER SET utf8mb4;\n"
        )
        accounts.chmod(0o644)
        return [
            self.server, "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}", f"--init-file={accounts}",
            "--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF", "--max-connections=200",
            "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=16M",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 0}",
        ]  # fmt: skip

    def answers(self) -> bool:
        """The server speaks first, and only once it takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.settimeout(1)
            greeting = connection.recv(5)
            return len(greeting) == 5 and greeting[4] == 10
        return False


KINDS: dict[str, type[ServerProcess]] = {kind.kind: kind for kind in (PostgreSQL, MariaDB)}


def _own_folder(kind: str, account: pwd.struct_passwd | None) -> Path:
    """A temporary folder that the server's account may write into and nobody else may read."""
    folder = Path(tempfile.mkdtemp(prefix=f"matins-{kind}-"))
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder
