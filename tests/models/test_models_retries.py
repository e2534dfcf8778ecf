from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.models import Invalid, Retries
from flowplan.models.strategies import models


@given(models(Retries), st.integers(-5, 10**400))
def test_delays_are_finite_and_within_the_cap(policy, attempt):
    delay = policy.get_delay(attempt)
    assert math.isfinite(delay)
    assert delay >= 0
    assert policy.max_delay is None or delay <= policy.max_delay


@given(models(Retries), st.integers(1, 2000))
def test_delays_never_shrink(policy, attempt):
    assert policy.get_delay(attempt) <= policy.get_delay(attempt + 1)


@given(models(Retries), st.integers(1, 50))
def test_delays_follow_the_formula(policy, attempt):
    expected = policy.initial_delay * policy.backoff_coefficient ** (attempt - 1)
    cap = math.inf if policy.max_delay is None else policy.max_delay
    assert policy.get_delay(attempt) == pytest.approx(min(expected, cap))


def test_examples():
    assert [Retries().get_delay(n) for n in (-1, 0, 1, 2, 3)] == [0.0, 0.0, 1.0, 2.0, 4.0]
    assert Retries().get_delay(10) == 512.0
    assert Retries().get_delay(1001) == 2.0**1000
    assert Retries(max_delay=3).get_delay(10**9) == 3.0
    assert Retries.fixed() == Retries(max_retries=3, initial_delay=5.0, backoff_coefficient=1.0)
    assert Retries.exponential() == Retries()
    assert Retries.exponential(2, 1.0, 3.0, 9.0).get_delay(5) == 9.0
    assert Retries.none().max_retries == 0


def test_the_cap_is_not_below_the_first_delay():
    assert Retries(initial_delay=5, max_delay=5).validate_delays()
    with pytest.raises(Invalid, match="must not be less than initial_delay"):
        Retries(initial_delay=5, max_delay=4)
    policy = Retries()
    policy.max_delay, policy.initial_delay = 2.0, 3.0
    with pytest.raises(Invalid):
        policy.validate_delays()
