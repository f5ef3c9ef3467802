"""Gets the user's definitions without importing their code: a child process loads it and hands them over as data.

Whatever the code does there (raise, exit, crash, hang, print without end) becomes one error with one line. Schedules
lie in an unlinked temporary file and are read as they are asked for, so that a hundred thousand cost no memory here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from matins.domain.job import Job
from matins.domain.schedule import ScheduleDefinition
from matins.errors import AppLoadError, DefinitionError, Fault
from matins.execution.loading_process import Ending, run_to_its_end

CHUNK = 1 << 16
_CHILD = "matins.execution.load_child"


@dataclass(slots=True, kw_only=True)
class LoadedApp:
    """An application's definitions. `close` it, or use it as a context manager."""

    app: str
    """Its name, as in ``Matins(name=…)``."""
    jobs: dict[str, Job]
    pools: dict[str, int]
    count: int
    """How many schedules there are."""
    hash: str
    """Of all definitions together; the same wherever and however often they are loaded."""
    _spool: IO[bytes]

    def schedules(self) -> Iterator[ScheduleDefinition]:
        """Every schedule, in the order declared; may be called any number of times, also side by side."""
        for line in _lines(self._spool):
            yield ScheduleDefinition.from_data(json.loads(line))

    def close(self) -> None:
        """Let go of the schedules."""
        self._spool.close()

    def __enter__(self) -> LoadedApp:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def load_app(
    ref: str,
    *,
    environment: str,
    since: datetime,
    timeout_seconds: float = 60.0,
    given_up: Callable[[], bool] = lambda: False,
) -> LoadedApp:
    """Load ``package.module:attribute`` in a child, with the present directory importable, and take its definitions.

    Args:
        ref: Where the application is.
        environment: What the child finds as ``APP_ENV``.
        since: From when on the fires of users' own triggers are kept.
        timeout_seconds: How long the child may take in all.
        given_up: Asked meanwhile; once it says so, the child is killed and this raises.

    Raises:
        AppLoadError: When it cannot be loaded; `detail` has the last of what it said.
        DefinitionError: When it can, and declares something wrongly; all faults at once.
    """
    _check(ref)
    with tempfile.TemporaryFile() as answer:
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - the loaded app keeps it
        try:
            request = {
                "ref": ref,
                "parent": os.getpid(),
                "since": since.isoformat(),
                "timeout_seconds": timeout_seconds,
                "spool": spool.fileno(),
                "answer": answer.fileno(),
            }
            ending = run_to_its_end(
                [sys.executable, "-m", _CHILD, json.dumps(request)],
                environment={**os.environ, "APP_ENV": environment},
                descriptors=(spool.fileno(), answer.fileno()),
                timeout_seconds=timeout_seconds,
                given_up=given_up,
            )
            if given_up():
                raise AppLoadError(f"Loading {ref!r} was given up.")
            return _loaded(_read(answer, ref, ending, timeout_seconds), spool)
        except BaseException:
            spool.close()
            raise


def _check(ref: str) -> None:
    """Refuse what is no reference before anything is started for it."""
    module, colon, attribute = ref.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise AppLoadError(
            f"{ref!r} does not name an app.", remedy="Write package.module:attribute, such as 'shop.schedules:app'."
        )


def _read(file: IO[bytes], ref: str, ending: Ending, timeout_seconds: float) -> dict[str, Any]:
    """The child's answer. Only a complete one counts, whatever its exit code says."""
    file.seek(0)
    try:
        answer = json.load(file)
    except ValueError:
        raise _silent(ref, ending, timeout_seconds) from None
    if "faults" in answer:
        raise DefinitionError([Fault(where=w, what=what, remedy=remedy) for w, what, remedy in answer["faults"]])
    if "error" in answer:
        raise AppLoadError(answer["error"], remedy=answer["remedy"], detail=answer["detail"])
    read: dict[str, Any] = answer
    return read


def _silent(ref: str, ending: Ending, timeout_seconds: float) -> AppLoadError:
    """The error for a child that ended, or was ended, without an answer."""
    if ending.timed_out:
        return AppLoadError(
            f"Cannot load {ref!r}: it took longer than {timeout_seconds:g} s.",
            remedy="Importing the module must not wait for anything: move such work into jobs.",
            detail=ending.stderr,
        )
    return AppLoadError(
        f"Cannot load {ref!r}: the process that loaded it {ending.words} before it was done.",
        remedy=f"Find out why with: python -c 'import {ref.partition(':')[0]}'.",
        detail=ending.stderr,
    )


def _loaded(answer: dict[str, Any], spool: IO[bytes]) -> LoadedApp:
    return LoadedApp(
        app=answer["app"],
        jobs={job["name"]: Job.from_data(job) for job in answer["jobs"]},
        pools=answer["pools"],
        count=answer["count"],
        hash=answer["hash"],
        _spool=spool,
    )


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The file's lines, read by position, so that several readers do not move each other."""
    rest, position = b"", 0
    while chunk := os.pread(file.fileno(), CHUNK, position):
        position += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
