"""Reads where the application is from ``[tool.matins]`` of the nearest pyproject.toml that has that table."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matins.errors import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectApp:
    """The application or none, where it was named (empty when nowhere), and what is wrong there."""

    app: str | None = None
    origin: str = ""
    faults: tuple[Fault, ...] = ()


def app_from_pyproject(directory: Path) -> ProjectApp:
    """The `app` that the project around `directory` names; what cannot be read there is a fault."""
    for folder in (directory, *directory.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            table = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("matins")
        except (OSError, ValueError) as error:
            fault = Fault(where=str(path), what=f"It cannot be read: {error}.", remedy="Correct the file.")
            return ProjectApp(faults=(fault,))
        if table is not None:
            return _app_in(table, f"{path} [tool.matins] app")
    return ProjectApp()


def _app_in(table: Any, origin: str) -> ProjectApp:
    place = origin.removesuffix(" app")
    if not isinstance(table, dict):
        return ProjectApp(faults=(Fault(where=place, what="It is not a table.", remedy="Correct the file."),))
    faults = [
        Fault(where=place, what=f"'{key}' is not read here.", remedy="Set the environment variable instead.")
        for key in table
        if key != "app"
    ]
    app = table.get("app")
    if app is not None and not isinstance(app, str):
        faults.append(Fault(where=origin, what=f"{app!r} is not a text.", remedy='Write "package.module:attribute".'))
        app = None
    return ProjectApp(app=app, origin=origin if app else "", faults=tuple(faults))
