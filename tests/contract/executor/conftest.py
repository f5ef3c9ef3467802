"""A bench to run misbehaving jobs on, held to leaving nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.executor.bench import Bench, open_descriptors, processes_below


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Benches as asked for; afterwards no process, no descriptor and no unanswered order is left."""
    descriptors = open_descriptors()
    before = processes_below(os.getpid())
    benches: list[Bench] = []

    def make(**options: Any) -> Bench:
        benches.append(Bench(**options))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()
    assert processes_below(os.getpid()) == before
    assert [bench.marked_processes() for bench in benches] == [[]] * len(benches)
    assert open_descriptors() == descriptors
    assert [bench.unanswered for bench in benches] == [set()] * len(benches)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """One slot, on the misbehaving application."""
    return make_bench()
