"""The tables made of the figures, and their place in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.measure import Figure

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"


def tables(figures: Sequence[Figure]) -> str:
    """What was measured, as Markdown."""
    floor = [figure for figure in figures if figure.peer.startswith("SQL by hand")]
    others = [figure for figure in figures if figure not in floor]
    parts = [f"On {machine.facts()}. Last measured {datetime.now(UTC):%Y-%m-%d}."]
    if others:
        parts.append(_schedulers(others))
    if floor:
        parts.append(_floor(floor))
    return "\n\n".join(parts) + "\n"


def write(document: Path, content: str, begin: str = BEGIN, end: str = END) -> None:
    """Put what was measured between the document's marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    document.write_text(f"{before}{begin}\n\n{content}\n{end}{after}", encoding="utf-8")


def _schedulers(figures: Sequence[Figure]) -> str:
    bursts = sorted({figure.schedules for figure in figures if figure.work == "burst"})
    header = [
        "",
        "setting",
        *(f"{count:,} at once, runs/s" for count in bursts),
        "50 each second, p50",
        "p99",
        "starts",
    ]
    rows = []
    for peer, setting in dict.fromkeys((figure.peer, figure.setting) for figure in figures):
        own = [figure for figure in figures if (figure.peer, figure.setting) == (peer, setting)]
        rates = {figure.schedules: _rate(figure) for figure in own if figure.work == "burst"}
        late = next((figure for figure in own if figure.work == "lateness"), None)
        rows.append([peer, setting, *(rates.get(count, "–") for count in bursts), *_lateness(late)])
    return table(header, rows)


def _floor(figures: Sequence[Figure]) -> str:
    settings = list(dict.fromkeys(figure.setting for figure in figures))
    rows = []
    for peer in dict.fromkeys(figure.peer for figure in figures):
        rates = {figure.setting: _rate(figure) for figure in figures if figure.peer == peer}
        rows.append([peer, *(rates.get(setting, "–") for setting in settings)])
    return table(["runs/s", *settings], rows)


def _rate(figure: Figure) -> str:
    rate = f"{figure.runs_per_second:,.0f}"
    return rate if figure.finished == figure.schedules else f"{rate} ({figure.finished:,} finished)"


def _lateness(figure: Figure | None) -> list[str]:
    if figure is None:
        return ["–", "–", "–"]
    return [f"{figure.p50_ms:.1f} ms", f"{figure.p99_ms:.1f} ms", f"{figure.finished:,}"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
