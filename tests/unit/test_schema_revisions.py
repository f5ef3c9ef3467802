"""The schema's revisions as read from file names are those the migrations declare."""

from __future__ import annotations

from alembic.script import ScriptDirectory

from matins.store import schema


def test_the_files_number_the_revisions_in_the_order_they_are_applied() -> None:
    scripts = ScriptDirectory(str(schema._VERSIONS.parent))
    declared = [script.revision for script in scripts.walk_revisions()]
    assert schema.revisions() == declared[::-1]
