"""Which jobs a schedule runs: all of them, those with a tag, or those it names, in the order they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matins.declaring.reader import Reader, near
from matins.domain.job import Job


@dataclass(frozen=True, slots=True)
class Tag:
    """Selects the jobs that have this tag."""

    name: str


def tag(name: str) -> Tag:
    """Select the jobs that have this tag: ``jobs=tag("feed")``."""
    return Tag(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The selected jobs' names, and the selection in words."""

    names: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What there is to select from: jobs by name, in the order declared, and the name each function goes by."""

    jobs: Mapping[str, Job]
    name_of: Mapping[int, str]
    """By the identity of the function or shell command."""

    def by_tag(self, wanted: str) -> tuple[str, ...]:
        return tuple(name for name, job in self.jobs.items() if wanted in job.tags)

    @property
    def tags(self) -> list[str]:
        return sorted({tag for job in self.jobs.values() for tag in job.tags})


def select(reader: Reader, wanted: Any, candidates: Candidates) -> Selected:
    """The jobs that `wanted` selects; nothing, and a fault, where it selects none."""
    if wanted is None:
        reader.fault("jobs is missing.", 'Write jobs="*", a name, a list of names, or tag("…").')
        return Selected()
    if isinstance(wanted, str) and wanted == "*":
        return _all(reader, candidates)
    if isinstance(wanted, Mapping):
        return _mapping(reader, wanted, candidates)
    if isinstance(wanted, Tag):
        return _tagged(reader, wanted.name, candidates)
    return _listed(reader, wanted, candidates)


def _all(reader: Reader, candidates: Candidates) -> Selected:
    if not candidates.jobs:
        reader.fault("jobs='*' selects nothing: the app declares no job.", "Declare one with @app.job.")
    return Selected(names=tuple(candidates.jobs), words="*")


def _mapping(reader: Reader, wanted: Mapping[Any, Any], candidates: Candidates) -> Selected:
    if set(wanted) != {"tag"}:
        reader.fault(f"jobs={dict(wanted)!r:.80} is not a selection.", "Write jobs={'tag': 'feed'}.")
        return Selected()
    return _tagged(reader, wanted["tag"], candidates)


def _tagged(reader: Reader, wanted: Any, candidates: Candidates) -> Selected:
    names = candidates.by_tag(wanted) if isinstance(wanted, str) else ()
    if not names:
        remedy = near(wanted, candidates.tags) or "No job has a tag."
        reader.fault(f"jobs with the tag {wanted!r:.80} are none, so it selects nothing.", remedy)
    return Selected(names=names, words=f"tag:{wanted}")


def _listed(reader: Reader, wanted: Any, candidates: Candidates) -> Selected:
    items = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    if not items:
        reader.fault(f"jobs={wanted!r} selects nothing.", "Name at least one job.")
    names = dict.fromkeys(name for item in items if (name := _name(reader, item, candidates)) is not None)
    return Selected(names=tuple(names), words=", ".join(names))


def _name(reader: Reader, item: Any, candidates: Candidates) -> str | None:
    if isinstance(item, str):
        if item in candidates.jobs:
            return item
        remedy = near(item, candidates.jobs) or "The app declares no job."
        reader.fault(f"there is no job {item!r:.80}, so it selects nothing.", remedy)
        return None
    known = candidates.name_of.get(id(item))
    if known is None:
        shown = getattr(item, "__name__", None) or f"{item!r:.80}"
        reader.fault(f"jobs: {shown!r} is not a job of this app.", "Declare it with @app.job, or give a job's name.")
    return known
