"""Numbers as people type them, refused with the number in the message, which the parser of options leaves out."""

from __future__ import annotations

from typing import Annotated

import typer

from matins.errors import UsageError


def _occurrence(text: str) -> int:
    return _whole(text, "an occurrence's", "`matins history ID` lists them.")


def _run(text: str) -> int:
    return _whole(text, "a run's", "`matins runs` lists them.")


def _whole(text: str, whose: str, remedy: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{text!r} is not {whose} number.", remedy=remedy) from None


OccurrenceArgument = Annotated[
    int, typer.Argument(metavar="OCCURRENCE", parser=_occurrence, help="Its number in `matins history`.")
]
RunArgument = Annotated[int, typer.Argument(metavar="RUN", parser=_run, help="Its number in `matins runs`.")]
