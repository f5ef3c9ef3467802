"""A group whose commands are imported when they are used, not when they are listed.

Help, completion and suggestions work on stubs that know a name and a sentence; only resolving a command imports its
module. A command module holds either a function `command` or, for a family such as ``user add``, a Typer named `app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from matins.cli.suggest import did_you_mean
from matins.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command as listed: the module that holds it and the sentence that describes it."""

    module: str
    summary: str


def lazy_group(entries: Mapping[str, Entry]) -> type[TyperGroup]:
    """The class of a group that offers `entries`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, entry in entries.items():
                self.add_command(TyperCommand(name=name, help=entry.summary))

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name = args[0]
            if name in entries:
                return name, load_command(name, entries[name]), args[1:]
            if ctx.resilient_parsing:
                return None, None, args[1:]
            hint = did_you_mean(name, entries)
            raise UsageError(f"There is no command {name!r}.", remedy=f"{hint} `matins --help` lists all.".strip())

    return LazyGroup


def load_command(name: str, entry: Entry) -> Any:
    """The real command, its module imported."""
    module = import_module(entry.module)
    family = getattr(module, "app", None)
    if family is None:
        family = typer.Typer(add_completion=False, rich_markup_mode=None)
        family.command(name, help=module.command.__doc__ or entry.summary)(module.command)
    family.info.name = name
    return typer.main.get_command(family)
