"""An application reduced to what an interpreter asks of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Declared:
    function: Callable[..., Any]
    takes_context: bool


class App:
    def __init__(self) -> None:
        self._jobs: dict[str, Declared] = {}

    def job(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self._jobs[function.__name__] = Declared(function, "ctx" in inspect.signature(function).parameters)
        return function

    def get_job(self, name: str) -> Declared:
        return self._jobs[name]
