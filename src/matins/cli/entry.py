"""Where the installed command begins. Ctrl-C is quiet from the first import on."""

from __future__ import annotations

import signal


def main() -> int:
    """Run the command line."""
    try:
        from matins.cli.main import main as command_line

        return command_line()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
