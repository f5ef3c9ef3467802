"""The entry point: the global options, the table of commands, and the boundary that words every error.

Exit codes: 0 done or healthy, 1 no, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from matins.cli import output
from matins.cli.invocation import Invocation
from matins.cli.lazy import Entry, lazy_group
from matins.cli.tables import clean
from matins.errors import MatinsError

INTERRUPTED = 130

COMMANDS = {
    "up": Entry(module="matins.cli.up", summary="Migrate, then run the daemon: the whole product in one command."),
    "daemon": Entry(module="matins.cli.daemon", summary="Run the daemon alone, against DATABASE_URL."),
    "migrate": Entry(module="matins.cli.migrate", summary="Bring the database's schema up to date."),
    "check": Entry(module="matins.cli.check", summary="Validate the app's definitions and the settings."),
    "plan": Entry(module="matins.cli.plan", summary="What a deploy of this code would change in the database."),
    "schedules": Entry(module="matins.cli.schedules", summary="All schedules: state, next run, last run."),
    "show": Entry(module="matins.cli.show", summary="One schedule: its state, next fires and last runs."),
    "enable": Entry(module="matins.cli.enable", summary="Switch schedules on."),
    "disable": Entry(module="matins.cli.disable", summary="Switch schedules off."),
    "trigger": Entry(module="matins.cli.trigger", summary="Run a schedule now."),
    "run": Entry(module="matins.cli.run", summary="Run one job now, without a schedule."),
    "next": Entry(module="matins.cli.next", summary="Fire times to come."),
    "explain": Entry(module="matins.cli.explain", summary="What became of a fire time, and why."),
    "history": Entry(module="matins.cli.history", summary="A schedule's ledger: what ran, what did not, and why."),
    "runs": Entry(module="matins.cli.runs", summary="Runs of all jobs, the newest first."),
    "logs": Entry(module="matins.cli.logs", summary="What a run printed and logged."),
    "cancel": Entry(module="matins.cli.cancel", summary="Stop an occurrence, running or waiting."),
    "retry": Entry(module="matins.cli.retry", summary="Run an occurrence that has ended once more."),
    "backfill": Entry(module="matins.cli.backfill", summary="Run past fire times."),
    "pause": Entry(module="matins.cli.pause", summary="Start nothing new in the whole installation."),
    "resume": Entry(module="matins.cli.resume", summary="End a pause."),
    "drain": Entry(module="matins.cli.drain", summary="Let one worker start nothing new."),
    "forget": Entry(module="matins.cli.forget", summary="Delete an orphaned schedule and its history."),
    "workers": Entry(module="matins.cli.workers", summary="Daemons: who runs, and since when."),
    "jobs": Entry(module="matins.cli.jobs", summary="All jobs, who uses them, and how they went last."),
    "health": Entry(module="matins.cli.health", summary="Exit 0 if schedules run on time, 1 if not."),
    "doctor": Entry(module="matins.cli.doctor", summary="Check settings, database, clock and app, each with a remedy."),
}

app = typer.Typer(
    name="matins",
    cls=lazy_group(COMMANDS),
    help="Run schedules on time and account for every planned run.",
    # Plain help: it starts faster, and pipes as it reads.
    rich_markup_mode=None,
    # The boundary below words errors; Typer's own would print local variables, secrets included.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        output.line(f"matins {version('matins')}")
        raise typer.Exit


@app.callback()
def _global_options(
    context: typer.Context,
    app: Annotated[
        str | None,
        typer.Option(metavar="MODULE:ATTRIBUTE", help="Where the app is, such as shop.schedules:app."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # The boundary has taken --debug out already; it is an option for the sake of the help.
    del version, debug
    context.obj = Invocation(app=app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and answer with its exit code; every error has then been printed."""
    given, debug = _without_debug(sys.argv[1:] if arguments is None else arguments)
    # A name that the terminal's encoding lacks is shown escaped rather than ending the command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(args=given or ["--help"], prog_name="matins", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except (KeyboardInterrupt, typer.Abort):
        output.note("matins: interrupted.")
        return INTERRUPTED
    # The boundary: whatever a command raises becomes one line and an exit code, never a traceback unasked.
    except Exception as error:  # noqa: BLE001
        return _failed(error, debug=debug)
    return code if isinstance(code, int) else 0


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments, and whether ``--debug`` is among them: whoever just saw an error adds it where they stand."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [each for each in arguments[:end] if each != "--debug"]
    return [*kept, *arguments[end:]], len(kept) < end


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
        # What the process that loaded the app had to say of it.
        for line in getattr(error, "detail", "").splitlines():
            output.note(f"  {clean(line)}")
    if isinstance(error, MatinsError):
        output.fault(error)
        return error.exit_code
    # Typer's own usage errors; told by what they can do, for their classes moved between its versions.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _misused(error)
    remedy = "" if debug else " Run it again with --debug for the traceback."
    output.note(f"matins: unexpected {type(error).__name__}: {clean(error)}.{remedy}")
    return 1


def _misused(error: Exception) -> int:
    message = clean(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "matins"
    output.note(f"matins: {message}. `{path} --help` tells more.")
    return int(error.exit_code)  # type: ignore[attr-defined]


def _reader_gone() -> int:
    """The reader of our output has seen enough; what is still buffered must not fail when the interpreter ends."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
