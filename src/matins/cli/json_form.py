"""The form programs read: JSON in camelCase, times in RFC 3339 UTC. The same field names as the HTTP API."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from matins.cli.times import rfc3339


def to_json(value: Any, *, ascii_only: bool = False) -> str:
    """`value` as JSON text. Fields of dataclasses are renamed; keys of mappings, which may be the user's, are not."""
    return json.dumps(plain(value), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` as what JSON knows."""
    match value:
        case Enum():
            return plain(value.value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return rfc3339(value)
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {camel(each.name): plain(getattr(value, each.name)) for each in fields(value)}
    return str(value)


def camel(name: str) -> str:
    """``next_run_at`` as ``nextRunAt``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
