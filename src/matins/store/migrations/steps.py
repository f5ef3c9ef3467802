"""Steps that can be repeated, in forms every database understands."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Create an index unless it is there; MySQL has no `IF NOT EXISTS` for it."""
    present = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
    if name not in present:
        op.create_index(name, table, list(columns))
