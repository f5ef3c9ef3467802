"""Calls a job's function: finds it in the application, and gives it its context and arguments."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Protocol

from matins.errors import AppLoadError, NotFoundError
from matins.execution.context import JobContext


class Declared(Protocol):
    """What an application knows of a job."""

    @property
    def function(self) -> Any:
        """The function; None for a shell job."""
        ...

    @property
    def takes_context(self) -> bool:
        """Whether it has a parameter `ctx`."""
        ...


class Application(Protocol):
    """What an interpreter needs of the user's application."""

    def get_job(self, name: str) -> Declared:
        """The job of this name, or an error."""
        ...


class Stoppable(Protocol):
    """What passes a request to stop on to the run."""

    def redirect(self, action: Callable[[], object] | None) -> None:
        """Have a stop call this instead of raising."""
        ...


def import_application(reference: str) -> Application:
    """Import ``package.module:attribute``.

    Raises:
        AppLoadError: it is no such reference, or the module has no such attribute. What the module itself
        raises
            is not caught.
    """
    module_name, _, path = reference.partition(":")
    if not module_name or not path:
        message = f"{reference!r} is not of the form package.module:attribute"
        raise AppLoadError(message)
    value: Any = importlib.import_module(module_name)
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            message = f"module {module_name!r} has no attribute {path!r}"
            raise AppLoadError(message) from None
    application: Application = value
    return application


class Caller:
    """The application's jobs, ready to be called."""

    def __init__(self, application: Application, channel: Stoppable) -> None:
        self._application = application
        self._channel = channel
        self._known: dict[str, _Callable] = {}

    def call(self, name: str, context: JobContext) -> Any:
        """Run a job to its end; what it raises is raised."""
        job = self._known.get(name)
        if job is None:
            job = self._known[name] = _Callable(self._application.get_job(name), name)
        value = job.call(context)
        if type(value) is CoroutineType:
            return self._to_its_end(value)
        if inspect.isgenerator(value) or inspect.isasyncgen(value):
            message = f"job {name!r} is a generator function: calling it runs none of its body"
            raise TypeError(message)
        return value

    def _to_its_end(self, coroutine: CoroutineType[Any, Any, Any]) -> Any:
        import asyncio  # Costs tens of milliseconds, and most applications never need it.

        async def cancellable() -> Any:
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            if task is not None:
                self._channel.redirect(lambda: loop.call_soon_threadsafe(task.cancel))
            return await coroutine

        try:
            return asyncio.run(cancellable())
        finally:
            self._channel.redirect(None)


class _Callable:
    """A function and which of the arguments it wants."""

    def __init__(self, declared: Declared, name: str) -> None:
        if declared.function is None:
            message = f"job {name!r} has no function"
            raise NotFoundError(message)
        self._function = declared.function
        self._takes_context = declared.takes_context
        parameters = inspect.signature(self._function).parameters.values()
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._names = frozenset(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))

    def call(self, context: JobContext) -> Any:
        args = context.args
        if args:
            args = {k: v for k, v in args.items() if k != "ctx" and (self._takes_all or k in self._names)}
        if self._takes_context:
            return self._function(ctx=context, **args)
        return self._function(**args)


def searched_from(directory: str) -> None:
    """Import from this directory first, wherever a job may change to."""
    sys.path[:] = [directory, *(entry for entry in sys.path if entry not in ("", directory))]
