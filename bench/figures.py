"""The figures measured so far, in ``bench/figures.json``, so that one driver can be measured again without the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.measure import Figure


class Figures:
    """Figures by the call they came from. Those of another machine are forgotten: they cannot stand beside ours."""

    def __init__(self, path: Path, machine: str) -> None:
        self._path = path
        self._machine = machine
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._calls: dict[str, list[Figure]] = {}
        if stored.get("machine") == machine:
            for call, figures in stored["figures"].items():
                self._calls[call] = [Figure(**figure) for figure in figures]

    def replace(self, call: str, figures: Sequence[Figure]) -> None:
        """Keep what a call has just told, and nothing older of it."""
        self._calls.pop(call, None)
        if figures:
            self._calls[call] = list(figures)

    def of(self, calls: Sequence[str]) -> list[Figure]:
        """The figures of these calls, in their order."""
        return [figure for call in calls for figure in self._calls.get(call, ())]

    def save(self) -> None:
        """Write all of them down."""
        figures = {call: [asdict(figure) for figure in told] for call, told in sorted(self._calls.items())}
        text = json.dumps({"machine": self._machine, "figures": figures}, indent=1)
        self._path.write_text(text + "\n", encoding="utf-8")
