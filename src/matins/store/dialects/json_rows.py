"""Many rows as one JSON parameter, for databases that can read a JSON text as a table.

One parameter of any size keeps the statement's text the same, and encoding it costs a fraction of what drivers spend
on arrays or on a statement a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table

from matins.store.dialects.base import Row
from matins.store.types import Json, json_text

InstantText = Callable[[datetime], str]


def encode(table: Table, names: Sequence[str], rows: Sequence[Row], instant_text: InstantText) -> str:
    """The rows as a JSON list of objects; columns that hold JSON text hold it as text."""
    nested = [name for name in names if isinstance(table.c[name].type, Json)]
    if nested:
        rows = [{**row, **{name: _as_text(row[name]) for name in nested}} for row in rows]
    return json.dumps(list(rows), separators=(",", ":"), default=instant_text)


def _as_text(value: Any) -> str | None:
    return None if value is None else json_text(value)
