"""The contract of a head: loss and point as its twin's, gradient that of the loss, outliers that pull no harder."""

import math
from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.model.parts import HEADS
from tests.kernels import drive
from tests.naive import heads

CASES: list[Any] = [
    spec.Gaussian(),
    spec.Student(),
    spec.Student(dof=1.0),
    spec.Student(dof=30.0),
    spec.Quantile(),
    spec.Quantile(levels=(0.5,)),
    spec.Quantile(levels=(0.01, 0.1, 0.2, 0.5, 0.6, 0.9, 0.99)),
    spec.Binary(),
]
SPREADS = [case for case in CASES if isinstance(case, spec.Gaussian | spec.Student)]


def width(head: spec.Head) -> int:
    return HEADS[type(head)].width(head)


def draw(head: spec.Head, random: np.random.Generator) -> tuple[Any, float]:
    """Outputs and a target; for the gaussian one that is not clipped."""
    o = random.uniform(-2, 2, width(head))
    if isinstance(head, spec.Binary):
        return o, float(random.integers(2))
    if isinstance(head, spec.Gaussian):
        return o, o[0] + math.exp(o[1]) * random.uniform(-2.9, 2.9)
    return o, random.uniform(-6, 6)


def test_every_head_has_a_twin_and_a_case() -> None:
    assert set(heads.HEADS) == set(HEADS) == {type(case) for case in CASES}


def test_every_kind_an_operator_may_write_has_an_entry() -> None:
    assert set(spec.Head.__args__) == set(HEADS)


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-6), ("float32", 1e-4)])
@pytest.mark.parametrize("head", CASES, ids=repr)
def test_gradient_equals_central_differences(head: spec.Head, dtype: str, close: float) -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        o, y = draw(head, random)
        d, _ = drive.grad(head, o.astype(dtype), y)
        want = heads.grad(head, o, y)
        np.testing.assert_allclose(d, want, rtol=close, atol=close * (1 + np.abs(want).sum()))


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("head", CASES, ids=repr)
def test_loss_and_point_equal_the_twin(head: spec.Head, dtype: str, close: float) -> None:
    random = np.random.default_rng(6)
    twin = heads.HEADS[type(head)]
    for _ in range(50):
        o, y = draw(head, random)
        _, loss = drive.grad(head, o.astype(dtype), y)
        want = twin.loss(o, y, head)
        assert loss == pytest.approx(want, rel=close, abs=50 * close)
        assert drive.read(head, o.astype(dtype)) == pytest.approx(twin.read(o), rel=close, abs=close)


@pytest.mark.parametrize("head", CASES, ids=repr)
def test_an_untrained_head_has_no_opinion(head: spec.Head) -> None:
    assert drive.read(head, np.zeros(width(head), np.float32)) == (0.5 if HEADS[type(head)].absolute else 0.0)


@pytest.mark.parametrize("head", [case for case in CASES if not HEADS[type(case)].absolute], ids=repr)
@pytest.mark.parametrize("y", [4.0, 1e6, 1e30, -1e30])
def test_an_outlier_pulls_no_harder_than_a_large_error(head: spec.Head, y: float) -> None:
    o = np.zeros(width(head))
    largest = max(np.abs(drive.grad(head, o, edge)[0]).max() for edge in np.linspace(-200, 200, 801))
    assert np.abs(drive.grad(head, o, y)[0]).max() <= 1.001 * largest


def test_the_gaussian_clips_at_three_standard_deviations() -> None:
    for y in (4.0, 1e6, -1e30):
        edge, _ = drive.grad(spec.Gaussian(), np.zeros(2), math.copysign(3.0, y))
        assert drive.grad(spec.Gaussian(), np.zeros(2), y)[0].tobytes() == edge.tobytes()


def test_a_far_outlier_hardly_moves_the_location_of_a_student() -> None:
    head = spec.Student()
    near, far = (abs(drive.grad(head, np.zeros(2), y)[0][0]) for y in (math.sqrt(head.dof), 1e6))
    assert far < 1e-4 * near


@pytest.mark.parametrize("head", [case for case in CASES if isinstance(case, spec.Quantile)], ids=repr)
def test_quantiles_of_a_sample_are_found_and_never_cross(head: spec.Quantile) -> None:
    sample = np.random.default_rng(7).gamma(2.0, 1.0, 4000)
    o = np.zeros(width(head))
    for step in range(400):
        g = np.mean([drive.grad(head, o, float(y))[0] for y in sample[step % 40 :: 40]], axis=0)
        o -= g * 40.0 / (40.0 + step)
        assert (np.diff(heads.quantiles(o)) > 0).all()
    shares = [np.mean(sample < q) for q in heads.quantiles(o)]
    assert shares == pytest.approx(head.levels, abs=0.03)


@pytest.mark.parametrize("head", CASES, ids=repr)
def test_what_is_not_a_number_stays_not_a_number(head: spec.Head) -> None:
    o = np.zeros(width(head), np.float32)
    o[len(o) // 2 if isinstance(head, spec.Quantile) else 0] = np.nan
    assert not np.isfinite(drive.grad(head, o, 1.0)[0]).all()
    assert not np.isfinite(drive.read(head, o))


@pytest.mark.parametrize("head", CASES, ids=repr)
@pytest.mark.parametrize("size", [-100.0, 100.0])
def test_absurd_outputs_give_a_finite_gradient(head: spec.Head, size: float) -> None:
    o = np.full(width(head), size, np.float32)
    o[0] = size if isinstance(head, spec.Binary) else 0.0
    d, loss = drive.grad(head, o, 1.0)
    assert np.isfinite(d).all()
    assert np.abs(d).max() < 1e3
    assert math.isfinite(loss)


@pytest.mark.parametrize("head", SPREADS, ids=repr)
@pytest.mark.parametrize(("log", "y"), [(-10.0, 0.0), (10.0, 1e9)])
def test_nothing_pushes_a_bounded_spread_further_out(head: spec.Head, log: float, y: float) -> None:
    assert drive.grad(head, np.array([0.0, log]), y)[0][1] * log <= 0
