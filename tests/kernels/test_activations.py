"""tanh and sigmoid against the true functions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn.kernels.core import activations
from streamrnn.kernels.core.jit import jit

POINTS = np.unique(np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-30, 1e4, 2000)]))


@jit
def _tanh(x, y):
    activations.tanhs(x, y)


@jit
def _sigmoid(x, y):
    activations.sigmoids(x, y)


@jit
def _single(x, y, z):
    for i in range(len(x)):
        y[i], z[i] = activations.tanh(x[i]), activations.sigmoid(x[i])


def apply(function, x: NDArray[np.floating]) -> NDArray[np.floating]:
    y = np.empty_like(x)
    function(x, y)
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 31, 64])
def test_arrays_of_any_length_equal_single_numbers(n: int, dtype: str) -> None:
    x = np.random.default_rng(n).normal(0, 3, n).astype(dtype)
    y, z = np.empty_like(x), np.empty_like(x)
    _single(x, y, z)
    close = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(apply(_tanh, x), y, rtol=close, atol=0)
    np.testing.assert_allclose(apply(_sigmoid, x), z, rtol=close, atol=close)


def ulps(ours: NDArray[np.float32], true: NDArray[np.float64]) -> float:
    """Largest distance in units of the last place of the true float32 value."""
    return float(np.max(np.abs(ours.astype(np.float64) - true) / np.spacing(np.abs(true).astype(np.float32))))


def test_tanh_in_float32_is_within_5_ulp() -> None:
    x = np.concatenate([POINTS, -POINTS[POINTS > 0]]).astype(np.float32)
    assert ulps(apply(_tanh, x), np.tanh(x.astype(np.float64))) <= 5.0


def test_sigmoid_in_float32_is_within_2e_7() -> None:
    """Relative accuracy of small values is not asked for: a closed gate may be 0."""
    x = np.concatenate([POINTS, -POINTS]).astype(np.float32)
    true = 1.0 / (1.0 + np.exp(-x.astype(np.float64).clip(-700, 700)))
    assert np.abs(apply(_sigmoid, x) - true).max() <= 2e-7


def test_float64_differs_by_the_rational_approximation_only() -> None:
    x = np.concatenate([POINTS, -POINTS])
    assert np.abs(apply(_tanh, x) - np.tanh(x)).max() <= 5e-7
    assert np.abs(apply(_sigmoid, x) - 1.0 / (1.0 + np.exp(-x.clip(-700, 700)))).max() <= 5e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_symmetry_and_nan(dtype: type) -> None:
    x = np.array([0.0, np.inf, -np.inf, np.nan, 3.0, -3.0, 1e30], dtype)
    y = apply(_tanh, x)
    assert y[0] == 0
    assert y[1] == -y[2] == pytest.approx(1.0, abs=5e-7)
    assert np.isnan(y[3])
    assert y[4] == -y[5]
    assert np.isnan(apply(_sigmoid, x)[3])
    assert np.abs(y[~np.isnan(y)]).max() <= 1 + 2e-7
