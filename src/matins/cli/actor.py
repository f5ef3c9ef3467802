"""Who acts when the command line is used: the user of the operating system, unless ``MATINS_ACTOR`` names somebody."""

from __future__ import annotations

import os
import pwd

from matins.admin.actor import Actor
from matins.cli.invocation import Invocation

SOURCE = "cli"


def actor(call: Invocation) -> Actor:
    """The one the audit names."""
    return Actor(name=call.settings().actor or _system_user(), source=SOURCE)


def _system_user() -> str:
    # The account and not LOGNAME or USER: those are what anybody may set without meaning to act for another.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
