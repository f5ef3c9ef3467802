"""An application whose jobs do what jobs do, and worse."""

# ruff: noqa: T201

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Declared:
    function: Any
    takes_context: bool


class App:
    def __init__(self) -> None:
        self._jobs: dict[str, Declared] = {}

    def job(self, function: Any) -> Any:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self._jobs[function.__name__] = Declared(function, "ctx" in names)
        return function

    def get_job(self, name: str) -> Declared:
        return self._jobs[name]


app = App()


@app.job
def nothing():
    pass


@app.job
def hello(ctx):
    print("hello from", ctx.job)
    return {"attempt": ctx.attempt}
