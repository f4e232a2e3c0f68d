"""Running moments and the stream's clock against their twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.kernels.core.layout import Clock, Count
from streamrnn.kernels.step import scale
from tests.naive import scale as naive


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3])
def test_moments_equal_the_twin_and_numpy(rate: float) -> None:
    values = np.random.default_rng(1).normal(1e6, 3.0, 500)
    mean, variance, m, v = 0.0, 0.0, 0.0, 0.0
    for count, x in enumerate(values, 1):
        a = max(rate, 1.0 / count)
        mean, variance = scale.moments(mean, variance, x, a)
        m, v = naive.moments(m, v, float(x), a)
        assert (mean, variance) == pytest.approx((m, v), rel=1e-6)
        assert scale.standardise(x + 1, mean, variance) == pytest.approx(naive.standardise(x + 1, m, v), abs=1e-5)
    if rate == 0.0:
        assert (mean, variance) == pytest.approx((values.mean(), values.var()), rel=1e-9)


def test_no_spread_no_deviation() -> None:
    assert scale.standardise(7.0, 5.0, 0.0) == 0.0
    assert scale.standardise(1e30, 0.0, 1.0) == 5.0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 1.0, 1.0, 1.0, 2.0, 0.4, 5.0, 17.0, 1e6]), min_size=1, max_size=60))
def test_clock_equals_the_twin(gaps: list[float]) -> None:
    clock, count = np.zeros(Clock.WIDTH), np.zeros(Count.OF_STREAM, np.int64)
    clock[Clock.TIME] = 1e9
    twin = naive.Clock(1e9)
    time = 1e9
    for gap in [0.0, *gaps]:
        time += gap
        assert scale.tick(clock, count, time) == twin.tick(time)
        assert clock[Clock.INTERVAL] == twin.interval
        assert clock[Clock.ELAPSED] == pytest.approx(twin.elapsed)
        assert count[Count.STEP] == twin.step
