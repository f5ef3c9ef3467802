"""Writing what the searches found into a file for people."""

from __future__ import annotations

from newsdesk.desk import open_desk
from newsdesk.settings import Settings


def write(desk_settings: Settings) -> int:
    """Write the digest anew, and return how many items it lists; a reader sees the old file or the new, never half."""
    with open_desk(desk_settings.database) as desk:
        sections = desk.digest()
    lines = ["# News digest"]
    for search, items in sections:
        lines += ["", f"## {search}", ""]
        lines += [f"- [{title}]({link}) ({feed})" for title, link, feed in items]
    draft = desk_settings.digest.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(desk_settings.digest)
    return sum(len(items) for _, items in sections)
