"""Words what is wrong with settings: which variable, its value unless it is a secret, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from matins.database_url import Refusal, mask
from matins.errors import Fault

_PREFIXES = ("MATINS_", "SCHEDULE_", "HEARTBEAT_", "LOCK_", "SHUTDOWN_", "JWT_")
_LONGEST_VALUE = 100


def names_of(field: FieldInfo) -> tuple[str, ...]:
    """The environment variables that set a field, the first one read first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else ()


def faults_of(
    error: ValidationError, fields: Mapping[str, FieldInfo], renamed: Mapping[str, str] | None = None
) -> list[Fault]:
    """Everything a validation found; `renamed` says where a value came from when not from its variable."""
    # A value is located by its variable, a default by its field.
    by_place = {place: field for own, field in fields.items() for place in (own, *names_of(field))}
    return [_fault_of(details, by_place, renamed or {}) for details in error.errors(include_url=False)]


def misspelt(environment: Iterable[str], known: Iterable[str]) -> list[Fault]:
    """Variables that are no setting but look like one mistyped."""
    names = list(known)
    return [
        Fault(where=variable, what="It is not a setting and is not read.", remedy=f"Did you mean {close[0]}?")
        for variable in sorted(environment)
        if variable.startswith(_PREFIXES) and variable not in names
        if (close := get_close_matches(variable, names, n=1, cutoff=0.85))
    ]


def _fault_of(details: ErrorDetails, by_place: Mapping[str, FieldInfo], renamed: Mapping[str, str]) -> Fault:
    place = str(details["loc"][0])
    field = by_place[place]
    variable = place if place in names_of(field) else names_of(field)[0]
    where = renamed.get(variable, variable)
    refusal = details.get("ctx", {}).get("error")
    if isinstance(refusal, Refusal):
        return Fault(where=where, what=refusal.what, remedy=refusal.remedy)
    expects = _expectation(field)
    if SecretStr in _types_of(field):
        return Fault(where=where, what=f"Its value is not {expects}.", remedy="Correct it or leave it unset.")
    return Fault(where=where, what=f"{_shown(details['input'])} is not {expects}.", remedy=_remedy(field))


def _remedy(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if default in (None, {}):
        return "Correct it."
    return f"Leave it unset for {str(default).lower() if isinstance(default, bool) else default}."


def _expectation(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["expects"]) if isinstance(extra, dict) else "usable"


def _types_of(field: FieldInfo) -> tuple[Any, ...]:
    return (field.annotation, *getattr(field.annotation, "__args__", ()))


def _shown(value: object) -> str:
    text = str(value)
    cut = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return repr(mask(cut) if "://" in cut else cut)
