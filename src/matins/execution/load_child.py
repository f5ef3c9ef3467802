"""Loads the user's application in a process of its own and writes its definitions down, then ends.

Run as ``python -m matins.execution.load_child`` by `loading`, with one argument: JSON. Two inherited descriptors take
the answer: the spool one line of JSON a schedule, the other one JSON object, without which nothing was loaded. The
standard streams belong to the user's code, which may print what it likes.
"""

from __future__ import annotations

import faulthandler
import hashlib
import importlib
import json
import os
import signal
import sys
import traceback
from datetime import datetime
from operator import attrgetter
from types import FrameType, ModuleType
from typing import Any, NoReturn

from matins.app import Definitions, Matins
from matins.declaring.place import one_line, shown_path
from matins.declaring.reader import near
from matins.declaring.schedules import Store, stored_in_process
from matins.domain.schedule import definition_hash
from matins.domain.triggers import Trigger, type_name
from matins.errors import AppLoadError, DefinitionError, Fault, TriggerError
from matins.execution.system import die_with_parent

TRIGGER_SECONDS = 2.0
"""How long a user's own trigger may take for all the fires that are asked of it."""
LONGEST_DETAIL = 4000
_LIBRARIES = (
    os.path.join(os.path.dirname(os.path.dirname(__file__)), ""),
    os.path.join(os.path.dirname(os.__file__), ""),
    os.path.join(os.sep, "site-packages", ""),
)


class _TimeIsUp(BaseException):
    """Not an `Exception`, so that the user's code does not catch it by accident."""


def main(request: dict[str, Any]) -> None:
    """Load, answer, and end at once, whatever threads and exit handlers the application left."""
    # The parent's thread waits for this process and does nothing else: when it ends, nobody wants the answer any more.
    die_with_parent(request["parent"])
    # Where a hang sits is worth knowing: the stack goes to stderr well before the parent loses its patience.
    faulthandler.enable()
    faulthandler.dump_traceback_later(request["timeout_seconds"] * 0.6, exit=False)
    if os.getcwd() not in sys.path:  # Python leaves it out where it is told to be safe
        sys.path.insert(0, os.getcwd())
    answer = _answer(request)
    with open(request["answer"], "w") as file:
        json.dump(answer, file)
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        app = find_app(request["ref"])
        since = datetime.fromisoformat(request["since"])
        return spool(app.definitions(since, store=_bounded(stored_in_process(since))), request["spool"])
    except DefinitionError as error:
        return {"faults": [[fault.where, fault.what, fault.remedy] for fault in error.faults]}
    except AppLoadError as error:
        return {"error": error.message, "remedy": error.remedy, "detail": error.detail}


def find_app(ref: str) -> Matins:
    """The application that ``package.module:attribute`` names.

    Raises:
        AppLoadError: When it cannot be imported, or is none.
        DefinitionError: When the module itself raised the fault of a declaration.
    """
    module_name, _, attribute = ref.partition(":")
    module = _import(module_name, ref)
    try:
        found = attrgetter(attribute)(module)
    except AttributeError:
        raise AppLoadError(
            f"Cannot load {ref!r}: module {module_name!r} has no attribute {attribute!r}.", remedy=_apps_in(module, ref)
        ) from None
    if not isinstance(found, Matins):
        raise AppLoadError(
            f"Cannot load {ref!r}: {attribute!r} is a {type(found).__name__}, not a Matins.",
            remedy=_apps_in(module, ref),
        )
    return found


def spool(definitions: Definitions, descriptor: int) -> dict[str, Any]:
    """Write every schedule to the descriptor, one a line; what remains is the answer."""
    hashes = []
    with open(descriptor, "w") as file:
        for schedule in definitions.schedules:
            data = schedule.to_data()
            hashes.append(definition_hash(data))
            file.write(json.dumps(data))
            file.write("\n")
    jobs = [job.to_data() for job in definitions.jobs.values()]
    return {
        "app": definitions.app,
        "jobs": jobs,
        "pools": definitions.pools,
        "count": len(definitions.schedules),
        "hash": _hash_of_all(hashes, jobs, definitions.pools),
    }


def _hash_of_all(schedules: list[str], jobs: list[dict[str, Any]], pools: dict[str, int]) -> str:
    """The same for the same definitions, in whatever order and at whatever place they are declared."""
    counted = [{key: value for key, value in job.items() if key != "defined_at"} for job in jobs]
    counted.sort(key=lambda job: str(job["name"]))
    text = json.dumps([sorted(schedules), counted, pools], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _import(module_name: str, ref: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except TriggerError as error:
        raise DefinitionError([Fault(where=_place_of(error), what=error.message, remedy=error.remedy or "")]) from None
    except DefinitionError:
        raise
    except ModuleNotFoundError as error:
        raise _unloadable(ref, error, _missing(error, module_name)) from None
    except SystemExit as error:
        raise _unloadable(ref, error, "Importing a module must not end the program.") from None
    except BaseException as error:  # noqa: BLE001 - the boundary to the user's code, which may raise anything
        raise _unloadable(ref, error, f"Correct {_place_of(error)}.") from None


def _unloadable(ref: str, error: BaseException, remedy: str) -> AppLoadError:
    return AppLoadError(f"Cannot load {ref!r}: {one_line(error)}.", remedy=remedy, detail=_short_traceback(error))


def _missing(error: ModuleNotFoundError, module_name: str) -> str:
    """Whether it is the application that is missing, or something it needs."""
    if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
        return f"Start from the directory that holds it (this is {os.getcwd()}), or correct the name."
    return f"Install it where {sys.executable} finds it, or correct {_place_of(error)}."


def _apps_in(module: ModuleType, ref: str) -> str:
    """A remedy that names the applications the module does hold."""
    names = [name for name, value in vars(module).items() if isinstance(value, Matins)]
    if not names:
        return f"Module {module.__name__!r} holds no Matins: write app = Matins() there."
    module_name, _, attribute = ref.partition(":")
    if len(names) == 1:
        return f"Did you mean {f'{module_name}:{names[0]}'!r}?"
    return near(attribute, names)


def _users_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The part of the traceback that is the user's: past this file and the import system."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, importlib.__file__)
    return [f for f in frames if not f.filename.startswith("<frozen importlib") and f.filename not in ours]


def _place_of(error: BaseException) -> str:
    """``file:line`` where the error arose: the innermost place that is neither ours nor a library's, if there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown_path(error.filename)}:{error.lineno}"
    frames = _users_frames(error)
    theirs = [f for f in frames if not any(part in f.filename for part in _LIBRARIES)] or frames
    return f"{shown_path(theirs[-1].filename)}:{theirs[-1].lineno}" if theirs else "the module"


def _short_traceback(error: BaseException) -> str:
    lines = traceback.format_list(_users_frames(error)[-10:])
    return ("".join(lines) + one_line(error))[-LONGEST_DETAIL:]


def _bounded(store: Store) -> Store:
    """The same, given up when it takes too long."""

    def bounded(trigger: Trigger) -> dict[str, Any]:
        signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, TRIGGER_SECONDS)
        try:
            return store(trigger)
        except _TimeIsUp:
            raise TriggerError(f"{type_name(trigger)} took longer than {TRIGGER_SECONDS:g} s to answer.") from None
        except BaseException as error:
            if isinstance(error, TriggerError):
                raise
            raise TriggerError(f"{type_name(trigger)} raised {one_line(error)}.") from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return bounded


def _give_up(signum: int, frame: FrameType | None) -> NoReturn:
    raise _TimeIsUp


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
