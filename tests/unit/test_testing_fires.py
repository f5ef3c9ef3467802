"""When schedules fire, as users' tests ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from matins import Matins, cron, every
from matins.errors import DefinitionError, NotFoundError, TriggerError, UsageError
from matins.testing import fires

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Weekly:
    """A trigger of a user's own: noon of every seventh day."""

    def next_after(self, instant: datetime) -> datetime | None:
        weeks = (instant - NOON) // timedelta(days=7) + 1
        return NOON + timedelta(days=7 * weeks)


def shop(**options: object) -> Matins:
    app = Matins("shop")
    app.add_job(print, name="work")
    app.schedule("quarter", every(minutes=15), jobs="work", **options)  # type: ignore[arg-type]
    app.schedule("weekly", Weekly(), jobs="work", **options)  # type: ignore[arg-type]
    return app


def test_the_start_of_a_stretch_belongs_to_it_and_its_end_does_not() -> None:
    assert fires(every(minutes=15), start=NOON, end=NOON + timedelta(minutes=30)) == [
        NOON,
        NOON + timedelta(minutes=15),
    ]


def test_a_day_that_is_an_hour_short_has_one_fire_fewer() -> None:
    day = [datetime(2026, 3, 29, tzinfo=UTC) + timedelta(hours=hours) for hours in (-1, 22)]
    assert len(fires(cron("0 * * * *", tz="Europe/Berlin"), start=day[0], end=day[1])) == 23


def test_a_schedules_fires_include_its_jitter() -> None:
    [fire] = fires(shop(jitter="10m"), "quarter", start=NOON, end=NOON + timedelta(minutes=15))
    assert NOON < fire < NOON + timedelta(minutes=10)
    assert fires(shop(jitter="10m"), "quarter", start=fire, end=fire + timedelta(seconds=1)) == [fire]


def test_a_trigger_of_the_users_own_is_asked_as_far_as_the_stretch_goes() -> None:
    found = fires(shop(), "weekly", start=NOON, end=NOON + timedelta(weeks=300))
    assert found == [NOON + timedelta(weeks=weeks) for weeks in range(300)]


def test_a_trigger_that_does_not_go_forward_is_refused() -> None:
    class Stuck:
        def next_after(self, instant: datetime) -> datetime | None:
            return instant

    with pytest.raises(TriggerError, match="not later"):
        fires(Stuck(), start=NOON, end=NOON + timedelta(days=1))


def test_a_naive_start_names_no_instant() -> None:
    with pytest.raises(TriggerError, match="no time zone"):
        fires(every(minutes=1), start=datetime(2026, 3, 1), end=NOON)  # noqa: DTZ001


def test_a_schedule_that_is_not_declared_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="quarter, weekly"):
        fires(shop(), "quater", start=NOON, end=NOON)


def test_an_app_needs_a_schedule_and_a_trigger_has_none() -> None:
    with pytest.raises(UsageError):
        fires(shop(), start=NOON, end=NOON)
    with pytest.raises(UsageError):
        fires(every(minutes=1), "quarter", start=NOON, end=NOON)


def test_what_is_declared_wrongly_is_told() -> None:
    app = shop()
    app.schedule("broken", cron("61 * * * *"), jobs="work")
    with pytest.raises(DefinitionError, match="broken"):
        fires(app, "quarter", start=NOON, end=NOON)
