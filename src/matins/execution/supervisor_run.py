"""One run under a supervisor: its order, its deadlines, and in what words it ends.

A run is stopped in two steps: asked (SIGTERM), then killed. The reason it was first stopped for decides its
status, unless its result had arrived before. Nothing here touches a process.
"""

from __future__ import annotations

import json

from matins.execution.capture import Capture, Source

NEVER = float("inf")
SOFT_LOG = Source("log", "WARNING")

TIMEOUT = "timeout"
_STATUS = {
    TIMEOUT: "timed_out",
    "cancel": "cancelled",
    "shutdown": "interrupted",
    "lease": "lost",
}


class Order:
    """One order, as far as a supervisor must understand it."""

    __slots__ = (
        "body", "command", "exempt", "fresh", "kill_after", "memory", "name", "run_id",
        "sequence", "soft", "timeout",
    )  # fmt: skip

    def __init__(self, payload: bytes) -> None:
        head, _, self.body = payload.partition(b"\n")
        fields = json.loads(head)
        self.sequence: int = fields[0]
        self.run_id: int = fields[1]
        self.timeout: float = fields[2]
        self.soft: float | None = fields[3]
        self.kill_after: float = fields[4]
        self.exempt: bool = fields[5]
        """Whether the run goes on when the lease is in doubt."""
        self.fresh: bool = fields[6]
        self.memory: int | None = fields[7]
        self.command: str | list[str] | None = fields[8]
        self.name: str = fields[9]


def margin(allowance: float) -> float:
    """How many seconds before the lease's deadline a run is killed, to be dead when the deadline comes."""
    return min(0.5, allowance / 4)


class Run:
    """A run that has begun."""

    __slots__ = (
        "asked_at",
        "began_at",
        "capture",
        "kill_at",
        "next_at",
        "order",
        "reason",
        "soft_at",
        "stream_at",
        "timeout_at",
    )

    def __init__(self, order: Order, capture: Capture, now: float, stream_every: float) -> None:
        self.order = order
        self.capture = capture
        self.began_at = now
        self.timeout_at = now + order.timeout
        self.soft_at = NEVER if order.soft is None else now + order.soft
        self.kill_at = NEVER
        self.asked_at: float | None = None
        self.reason: str | None = None
        self.stream_at = now + stream_every
        self.next_at = min(self.timeout_at, self.soft_at)

    def ask(self, reason: str, now: float, within: float) -> bool:
        """Note that it is to stop within so many seconds; False when it had been asked already."""
        first = self.reason is None
        if first:
            self.reason = reason
            self.asked_at = now
            self.timeout_at = self.soft_at = NEVER
        self.kill_at = min(self.kill_at, now + within)
        self.next_at = self.kill_at
        return first

    def warn(self, now: float) -> None:
        """Say in its log that its soft limit has passed."""
        self.soft_at = NEVER
        self.next_at = min(self.timeout_at, self.kill_at)
        left = max(0.0, self.timeout_at - now)
        text = f"still running after {self.order.soft:g} s; it is stopped in {left:.0f} s"
        self.capture.say(SOFT_LOG, text.encode(), now)

    def status(self, succeeded: bool) -> str:
        """The status it ends with."""
        if self.reason is not None:
            return _STATUS.get(self.reason, "cancelled")
        return "succeeded" if succeeded else "failed"

    def fault(self, exit_text: str | None) -> list[str] | None:
        """What is said of its end where the interpreter cannot: a type, a message and no traceback."""
        if self.reason == TIMEOUT:
            return ["TimedOut", f"still running after {self.order.timeout:g} s", ""]
        if self.reason == "lease":
            return ["LeaseLost", "this worker could no longer prove its lease", ""]
        if self.reason is not None or exit_text is None:
            return None
        if self.order.command is not None:
            return ["CommandFailed", exit_text, ""]
        return ["ProcessEnded", f"the process ended without a result: {exit_text}", ""]
