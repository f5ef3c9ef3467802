"""What a schedule is, as data: its trigger, the jobs it selects and its policies.

The definition belongs to the code. What operators own (enabled, counters, the watermark) is the row's, in the store.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cached_property
from typing import Any

from matins.domain.states import MissedPolicy, OverlapPolicy, ScheduleId

MAX_ID_LENGTH = 50
DEFAULT_GRACE = 60.0
DEFAULT_CATCH_UP_WINDOW = 7 * 24 * 3600.0
DEFAULT_CATCH_UP_LIMIT = 1000
DEFAULT_BUFFER_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class ScheduleDefinition:
    """One schedule as declared. Times are in seconds; None means "not limited"."""

    id: ScheduleId
    trigger: dict[str, Any]
    """The trigger as data; `matins.domain.triggers.from_data` makes it a trigger again."""
    jobs: tuple[str, ...]
    """The names of the selected jobs, in the order they run."""
    selection: str = "*"
    """The selection as declared, for people: ``*``, ``tag:feed`` or names."""
    name: str = ""
    description: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    missed: MissedPolicy = MissedPolicy.SKIP
    grace_seconds: float = DEFAULT_GRACE
    catch_up_window_seconds: float = DEFAULT_CATCH_UP_WINDOW
    catch_up_limit: int = DEFAULT_CATCH_UP_LIMIT
    start_within_seconds: float | None = None
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    buffer_limit: int = DEFAULT_BUFFER_LIMIT
    jitter_seconds: float = 0.0
    timeout_seconds: float | None = None
    """How long one occurrence may take in all, waits between attempts included."""
    enabled: bool = False
    """Whether the row arrives enabled the first time it is seen; never read again."""
    parallel: int = 1
    stop_on_failure: bool = False
    defined_at: str = ""

    @cached_property
    def jitter_offset(self) -> timedelta:
        """How much later than planned this schedule fires: the same at every fire, different for every id."""
        if not self.jitter_seconds:
            return timedelta(0)
        digest = hashlib.sha256(self.id.encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        return timedelta(milliseconds=int(share * self.jitter_seconds * 1000))

    def applies_in(self, environment: str) -> bool:
        """Whether this environment plans it: those it names, or every one when it names none."""
        return not self.environments or environment in self.environments

    def to_data(self) -> dict[str, Any]:
        """As JSON-ready data, to be read and not changed; `from_data` reads it back."""
        # Not `asdict`, which copies every value deeply: that was most of the cost of loading many schedules.
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @cached_property
    def hash(self) -> str:
        """The same for the same definition, whatever process computed it; where it stands in the code does not count."""
        return definition_hash(self.to_data())

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> ScheduleDefinition:
        """The definition that `to_data` wrote."""
        return cls(
            **{
                **data,
                "jobs": tuple(data["jobs"]),
                "environments": tuple(data.get("environments", ())),
                "missed": MissedPolicy(data["missed"]),
                "overlap": OverlapPolicy(data["overlap"]),
            }
        )


def definition_hash(data: dict[str, Any]) -> str:
    """A definition's hash, from its data. Stored fires of a user's own trigger do not count: they change by themselves."""
    counted = {key: value for key, value in data.items() if key not in ("defined_at", "enabled")}
    counted["trigger"] = {key: value for key, value in data["trigger"].items() if key not in ("fires", "complete")}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
