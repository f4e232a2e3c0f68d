"""The contract of a head: its gradient is that of its loss, and one outlier pulls no harder than a large error."""

import math
from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.model.parts import HEADS
from tests.kernels import drive
from tests.naive import gaussian

KINDS = list(HEADS)


def test_every_head_has_a_twin() -> None:
    assert set(gaussian.HEADS) == set(HEADS) == {spec.Gaussian}


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-6), ("float32", 1e-4)])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_equals_central_differences(kind: type[Any], dtype: str, close: float) -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        mean, log = random.normal(0, 2), random.uniform(-2, 2)
        y = mean + math.exp(log) * random.uniform(-2.9, 2.9)
        d = drive.head(kind, np.array([mean, log], dtype), y)
        want = gaussian.HEADS[kind](mean, log, y)
        np.testing.assert_allclose(d, want, rtol=close, atol=close * (1 + abs(want[0]) + abs(want[1])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("y", [4.0, 1e6, 1e30, -1e30])
def test_an_outlier_pulls_as_hard_as_three_standard_deviations(kind: type[Any], y: float) -> None:
    o = np.zeros(2)
    edge = drive.head(kind, o, math.copysign(3.0, y))
    assert drive.head(kind, o, y).tobytes() == edge.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_number_stays_not_a_number(kind: type[Any]) -> None:
    assert not np.isfinite(drive.head(kind, np.array([np.nan, 0.0], np.float32), 1.0)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("log", [-100.0, 100.0])
def test_an_absurd_spread_gives_a_finite_gradient(kind: type[Any], log: float) -> None:
    d = drive.head(kind, np.array([0.0, log], np.float32), 1.0)
    assert np.isfinite(d).all()
    assert np.abs(d).max() < 1e3
