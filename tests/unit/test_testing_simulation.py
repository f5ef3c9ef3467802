"""What a stretch of time would bring, as users' tests ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from matins import Matins, every, shell
from matins.errors import NotFoundError
from matins.testing import fires, simulate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def shop(**options: object) -> Matins:
    app = Matins("shop")
    app.add_job(shell("false"), name="report")
    app.schedule("report", every(minutes=10), jobs="report", **options)  # type: ignore[arg-type]
    return app


def test_every_fire_of_the_stretch_is_told_once() -> None:
    found = simulate(shop(), start=NOON, end=NOON + HOUR)
    assert [one.fire_at for one in found] == fires(shop(), "report", start=NOON, end=NOON + HOUR)
    assert not found.skipped
    assert not found.delayed


def test_fires_that_find_the_one_before_still_running_are_skipped() -> None:
    found = simulate(shop(), start=NOON, end=NOON + HOUR, durations={"report": "25m"})
    assert [(one.fire_at.minute, one.reason) for one in found.skipped] == [
        (10, "overlap"),
        (20, "overlap"),
        (40, "overlap"),
        (50, "overlap"),
    ]
    assert found.of("report")[0].finished_at == NOON + timedelta(minutes=25)


def test_fires_that_wait_say_for_how_long() -> None:
    found = simulate(shop(overlap="buffer_all"), start=NOON, end=NOON + HOUR, durations={"report": "15m"})
    assert [one.waited for one in found] == [timedelta(minutes=5 * n) for n in range(4)] + [None, None]
    assert len(found.delayed) == 5


def test_two_schedules_share_the_room_there_is() -> None:
    app = shop()
    app.schedule("also", every(minutes=10), jobs="report")
    stretch = {"start": NOON, "end": NOON + timedelta(minutes=10)}
    assert not simulate(app, **stretch, durations={"report": "2m"}).delayed
    [late] = simulate(app, **stretch, durations={"report": "2m"}, concurrency=1).delayed
    assert late.waited is None or late.waited == timedelta(minutes=2)


def test_a_job_that_is_not_declared_takes_no_time() -> None:
    with pytest.raises(NotFoundError, match="reprot"):
        simulate(shop(), start=NOON, end=NOON + HOUR, durations={"reprot": "1m"})
