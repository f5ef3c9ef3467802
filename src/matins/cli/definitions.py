"""Loads the user's definitions for a command, in a child process and with something to look at meanwhile."""

from __future__ import annotations

from datetime import datetime

from matins import config
from matins.cli import output
from matins.cli.invocation import Invocation
from matins.errors import ConfigError, Fault
from matins.execution.loading import LoadedApp, load_app

_SECONDS = 60.0


def loaded(call: Invocation, since: datetime | None = None) -> LoadedApp:
    """The app that the command line, the environment or pyproject.toml names; to be closed.

    Args:
        call: The command's call.
        since: From when on the fires of users' own triggers are wanted; from now on by default.

    Raises:
        ConfigError: None is named.
        AppLoadError: It cannot be loaded.
        DefinitionError: It declares something wrongly.
    """
    app, environment = config.essentials(call.app)
    if app is None:
        raise ConfigError([Fault(where="MATINS_APP", what="No application is named.", remedy=config.APP_REMEDY)])
    with output.working(f"Loading {app}"):
        return load_app(app, environment=environment, since=since or call.now(), timeout_seconds=_SECONDS)
