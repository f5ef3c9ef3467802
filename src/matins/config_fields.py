"""How one setting is declared and read from its text; which settings there are, `config` says."""

from __future__ import annotations

import os
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, Field

from matins import database_url
from matins.domain.durations import parse_duration

_DAY_MS = 24 * 3600 * 1000


class Role(StrEnum):
    """What a user of the admin server may do."""

    ADMIN = "ADMIN"
    OPERATOR = "OPERATOR"
    VIEWER = "VIEWER"


def default_concurrency() -> int:
    return max(4, 2 * (os.cpu_count() or 1))


def as_duration(value: Any) -> Any:
    duration = parse_duration(value)
    if duration <= timedelta(0):
        raise ValueError(value)
    return duration


def as_database(value: Any) -> Any:
    return database_url.parse(value) if isinstance(value, str) else value


def as_lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def as_role_map(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = (pair.partition("=") for pair in value.split(",") if pair.strip())
    return {theirs.strip(): Role(ours.strip().upper()) for theirs, _, ours in pairs}


def setting(variable: str | AliasChoices, default: Any, expects: str, meaning: str, **limits: Any) -> Any:
    """One setting. `expects` completes "... is not", `meaning` is for the reference."""
    filling = {"default_factory": default} if callable(default) else {"default": default}
    return Field(
        validation_alias=variable,
        description=meaning,
        json_schema_extra={"expects": expects},
        **filling,
        **limits,
    )


def milliseconds(variable: str, default: int, meaning: str, *, least: int = 10) -> Any:
    expects = f"a whole number of milliseconds from {least} to {_DAY_MS}"
    return setting(variable, default, expects, meaning, ge=least, le=_DAY_MS)
