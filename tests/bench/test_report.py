"""The benchmark's arithmetic and its tables."""

from __future__ import annotations

from pathlib import Path

from bench import report
from bench.figures import Figures
from bench.measure import Figure, lateness, percentile
from bench.run import middle


def burst(peer: str, *, schedules: int, seconds: float, finished: int | None = None) -> Figure:
    return Figure(
        peer=peer,
        setting="",
        work="burst",
        schedules=schedules,
        finished=schedules if finished is None else finished,
        seconds=seconds,
    )


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (50, 99, 7)


def test_lateness_is_told_in_milliseconds_whatever_the_order() -> None:
    figure = lateness("peer", "", [0.003, 0.001, 0.002])

    assert (figure.p50_ms, figure.p99_ms, figure.finished) == (2.0, 3.0, 3)


def test_of_repeated_measurements_the_middle_one_counts() -> None:
    taken = [burst("a", schedules=10, seconds=seconds) for seconds in (9.0, 1.0, 2.0)]

    assert [figure.seconds for figure in middle(taken)] == [2.0]


def test_a_peer_that_did_not_finish_everything_is_told_apart() -> None:
    table = report.tables(
        [burst("a", schedules=1000, seconds=2.0), burst("b", schedules=1000, seconds=2.0, finished=10)]
    )

    assert "| a |  | 500 | – | – | – |" in table
    assert "| b |  | 5 (10 finished) | – | – | – |" in table


def test_the_tables_replace_only_what_stands_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.write(document, "new\n")
    report.write(document, "newer\n")

    assert document.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"


def test_figures_outlive_a_run_that_measures_something_else(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    first = Figures(path, "this machine")
    first.replace("a", [burst("a", schedules=10, seconds=1.0)])
    first.replace("b", [burst("b", schedules=10, seconds=1.0)])
    first.save()

    second = Figures(path, "this machine")
    second.replace("b", [burst("b", schedules=10, seconds=2.0)])

    assert [(figure.peer, figure.seconds) for figure in second.of(["b", "a", "c"])] == [("b", 2.0), ("a", 1.0)]


def test_figures_of_another_machine_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    elsewhere = Figures(path, "that machine")
    elsewhere.replace("a", [burst("a", schedules=10, seconds=1.0)])
    elsewhere.save()

    assert Figures(path, "this machine").of(["a"]) == []
