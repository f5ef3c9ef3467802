"""Every event has its words."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from matins.telemetry import events
from matins.telemetry.log import log_listener, make_logger

EVENTS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
SAMPLES: dict[str, Any] = {
    "int": 3,
    "float": 0.5,
    "str": "x",
    "bool": True,
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind is not events.Event])
def test_an_event_is_worded_and_its_fields_stand_beside_the_words(kind: type[events.Event]) -> None:
    stream = io.StringIO()
    values = {field.name: _sample(str(field.type)) for field in dataclasses.fields(kind)}
    log_listener(make_logger("json", stream, level=0))(kind(**values))
    said = json.loads(stream.getvalue())
    assert said["event"]
    assert "{" not in said["event"]
    assert values.keys() <= said.keys()


def test_a_listener_that_fails_keeps_nothing_from_the_others() -> None:
    heard: list[events.Event] = []

    def broken(_: events.Event) -> None:
        raise ValueError

    happened = events.PauseChanged(paused=True)
    events.EventBus(broken, heard.append).emit(happened)
    assert heard == [happened]


def _sample(declared: str) -> Any:
    if declared.startswith("tuple"):
        return ("one",)
    return SAMPLES[declared.removesuffix(" | None")]
