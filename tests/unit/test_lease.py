"""The arithmetic of leases: whoever trusts one stops before anybody else may take over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.domain.lease import LeaseTerms

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("timeout", "margin"), [(60, 5), (30, 5), (29.9, 29.9 / 6), (6, 1), (0.6, 0.1), (3600, 5)])
def test_the_margin_is_five_seconds_or_a_sixth_of_the_timeout(timeout: float, margin: float) -> None:
    assert LeaseTerms(timeout_seconds=timeout).margin_seconds == pytest.approx(margin)


@given(
    timeout=st.floats(0.5, 1e5),
    sent=st.floats(0, 1e6),
    travel=st.floats(0, 1e4),
)
def test_trust_ends_two_margins_before_anybody_may_take_over(timeout: float, sent: float, travel: float) -> None:
    terms = LeaseTerms(timeout_seconds=timeout)
    written_at = NOW + timedelta(seconds=travel)  # the renewal arrives some time after it was sent
    taken_over = terms.expires_at(written_at) + timedelta(seconds=terms.margin_seconds)
    trusted_for = timedelta(seconds=terms.trusted_until(sent) - sent)
    assert taken_over - (NOW + trusted_for) >= timedelta(seconds=2 * terms.margin_seconds - 1e-3)


def test_a_lease_is_over_for_others_only_when_the_margin_has_passed_too() -> None:
    terms = LeaseTerms(timeout_seconds=60)
    ends = terms.expires_at(NOW)
    assert ends == NOW + timedelta(seconds=60)
    assert not ends < terms.over_before(ends + timedelta(seconds=5))
    assert ends < terms.over_before(ends + timedelta(seconds=5, microseconds=1))
