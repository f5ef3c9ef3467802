"""The lease of a worker, in prose and in numbers. Pure.

*Authority.* A worker may start and finish runs while its row says RUNNING and `lease_until` lies ahead on the
database's clock. One column is the lease of everything it holds.

*Term.* Every heartbeat moves `lease_until` to the database's now plus the lock timeout.

*Trust window.* The worker trusts its lease until its own boot-time clock reads the moment at which the last successful
renewal was *sent*, plus the lock timeout, minus a margin. The renewal reached the database after it was sent, so the
window ends before the lease does, whatever the network did. Past it nothing is begun, and what runs is killed: asked
with SIGTERM early enough for SIGKILL to precede the window's end.

*Failure.* Others take a worker for dead once `lease_until` is over by more than the same margin on the database's
clock. Two margins therefore lie between the last possible moment of a fenced job and the first of its successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MARGIN = 5.0
"""Seconds of margin, or a sixth of the lock timeout where that is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """How long one renewal holds, and how much of it is not to be relied on. In seconds."""

    timeout_seconds: float

    @property
    def margin_seconds(self) -> float:
        """What is kept between trusting a lease and losing it, and again between losing it and taking it over."""
        return min(MARGIN, self.timeout_seconds / 6)

    def trusted_until(self, renewal_sent_at: float) -> float:
        """The boot-time reading up to which a renewal sent then may be relied on."""
        return renewal_sent_at + self.timeout_seconds - self.margin_seconds

    def expires_at(self, now: datetime) -> datetime:
        """What a renewal writes, by the database's clock."""
        return now + timedelta(seconds=self.timeout_seconds)

    def over_before(self, now: datetime) -> datetime:
        """Leases that ended before this instant are over for everybody."""
        return now - timedelta(seconds=self.margin_seconds)
