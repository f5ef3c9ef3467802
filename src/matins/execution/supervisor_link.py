"""A supervisor's side of the line to its daemon: orders in, reports out, many of either in one call.

Reports wait a moment (`_HOLD` seconds) for company while more work is queued; a beginning that its end
overtakes is never sent, since the end says when it began. The daemon knows of beginnings by the shared page
all the same.
"""

from __future__ import annotations

import json
import os

from matins.execution.frames import DamagedChannel, FrameReader, ToDaemon, pack

_READ = 262144
_HOLD = 0.003
_FULL = 4 * 1024 * 1024
NEVER = float("inf")

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Link:
    """The line to the daemon."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lost = False
        self.flush_at = NEVER
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._begun: list[object] | None = None
        os.set_blocking(fd, False)

    def receive(self) -> list[tuple[int, bytes]]:
        """What the daemon said; `lost` turns true when it is gone."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.lost = not data
        try:
            return self._reader.feed(data)
        except DamagedChannel:
            self.lost = True
            return []

    @property
    def full(self) -> bool:
        """Whether the daemon is so far behind in reading that nothing more should be begun."""
        return len(self._unsent) > _FULL

    @property
    def waiting(self) -> bool:
        """Whether something is unsent."""
        return bool(self._unsent) or self._begun is not None

    def begun(self, run_id: int, at: float) -> None:
        """Report a beginning, soon."""
        self._begun = [run_id, at]
        self._hold(at)

    def ended(self, header: list[object], body: bytes, at: float) -> None:
        """Report an end."""
        self._begun = None
        self._unsent += pack(ToDaemon.ENDED, _encode(header).encode() + b"\n" + body)
        self._hold(at)

    def tell(self, kind: int, what: object, at: float) -> None:
        """Report anything else."""
        self._settle_begun()
        self._unsent += pack(kind, _encode(what).encode())
        self._hold(at)

    def _hold(self, at: float) -> None:
        if self.flush_at == NEVER:
            self.flush_at = at + _HOLD

    def _settle_begun(self) -> None:
        if self._begun is not None:
            self._unsent += pack(ToDaemon.BEGUN, _encode(self._begun).encode())
            self._begun = None

    def flush(self) -> bool:
        """Send what is unsent; False when the daemon does not take all of it now."""
        self._settle_begun()
        self.flush_at = NEVER
        while self._unsent:
            try:
                del self._unsent[: os.write(self.fd, self._unsent)]
            except BlockingIOError:
                return False
            except OSError:
                self.lost = True
                self._unsent.clear()
        return True
