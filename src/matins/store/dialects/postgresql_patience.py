"""A limit on this side to how long PostgreSQL may take to answer.

The server's own statement timeout does nothing when the server stands still, and TCP's timeouts neither: its kernel goes
on acknowledging what it is sent. Without this a call would then wait for as long as the server stands.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sqlalchemy import Engine, event

from matins.clock import SystemClock


def give_up_after(engine: Engine, seconds: float) -> None:
    """Make every call on the engine's connections fail, and the connection with it, that takes longer than this."""
    from psycopg import Connection, OperationalError

    clock = SystemClock()

    class Patient(Connection[Any]):
        """A connection whose calls are limited in time."""

        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
            return super().wait(self._limited(gen), *args, **options)

        def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            until = clock.monotonic() + seconds
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and clock.monotonic() >= until:
                        self.pgconn.finish()
                        raise OperationalError(f"the server did not answer within {seconds:g} s")
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

    def connect(_dialect: Any, _record: Any, args: Any, parameters: Any) -> Any:
        return Patient.connect(*args, **parameters)

    event.listen(engine, "do_connect", connect)
