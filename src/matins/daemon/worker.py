"""This process's identity and how far it may trust its lease. Shared by the services' threads.

See `matins.domain.lease` for the rules. Identities are random and new at each boot, and again after others declared
this worker dead: whatever it held then is no longer its own.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime

from matins.clock import Clock, DatabaseClock
from matins.domain.lease import LeaseTerms
from matins.domain.states import WorkerId


def new_worker_id(hostname: str) -> WorkerId:
    """An identity nobody had before; the host's name in it is for people."""
    return WorkerId(f"{hostname[:60]}-{secrets.token_hex(6)}")


@dataclass(slots=True, kw_only=True)
class WorkerState:
    """What all services of one daemon know of themselves."""

    id: WorkerId
    app: str
    environment: str
    terms: LeaseTerms
    clock: Clock
    database_clock: DatabaseClock
    version_id: int | None = None
    draining: bool = False
    paused: bool = False
    stopping: bool = False
    next_wake_at: datetime | None = None
    """When the scheduler announced to look again, by the database's clock."""
    running: int = 0
    trusted_until: float = field(default=0.0)
    """The boot-time reading up to which the lease may be relied on."""
    unbroken_since: float | None = field(default=None)
    """Since when, by the boot-time clock, every heartbeat was on time."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def renewed(self, *, sent: float, received: float, at: datetime) -> None:
        """A renewal sent then was confirmed."""
        with self._lock:
            self.database_clock.observe(at, sent=sent, received=received)
            if self.unbroken_since is None or sent > self.trusted_until:
                self.unbroken_since = sent
            self.trusted_until = self.terms.trusted_until(sent)

    def succeed(self, successor: WorkerId) -> None:
        """Go on under a new identity, with no lease yet."""
        with self._lock:
            self.id = successor
            self.trusted_until = 0.0
            self.unbroken_since = None

    @property
    def trusts_lease(self) -> bool:
        """Whether this worker may begin anything now."""
        return self.clock.boottime() < self.trusted_until

    @property
    def may_start(self) -> bool:
        """Whether anything new may start here at all."""
        return self.trusts_lease and not (self.draining or self.paused or self.stopping)

    @property
    def may_reap(self) -> bool:
        """Whether its own heartbeats prove that the database was there for a whole lock timeout."""
        since = self.unbroken_since
        return self.trusts_lease and since is not None and self.clock.boottime() - since >= self.terms.timeout_seconds
