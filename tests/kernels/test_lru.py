"""The linear recurrent unit never explodes and never stalls."""

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.kernels.layers.lru import LEAST, MOST
from tests.kernels.drive import Layer

ROWS = 40


@pytest.mark.parametrize("nu", [-1e6, -30.0, LEAST, MOST, 30.0, 1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_parameter_gives_a_stable_unit_and_a_finite_gradient(dtype: str, nu: float) -> None:
    layer = Layer(spec.Lru, 1, 4, ROWS, dtype)
    w = np.array([1, -1, 0.5, 2, nu, nu, 0.3, 1e4])
    xs, keep = np.ones((ROWS, 1)), np.r_[0, np.ones(ROWS - 1)]
    ys, tape = layer.forward(w, xs, keep)
    g, dxs = layer.backward(w, tape, keep, np.ones((ROWS, 4)), 0, ROWS)
    assert np.isfinite(ys).all() and np.isfinite(g).all() and np.isfinite(dxs).all()
    assert np.abs(ys).max() <= 2 * ROWS
    for gradient in g[4:6]:  # descent moves against it: no further out
        assert gradient * nu >= 0 or LEAST < nu < MOST


def test_the_output_keeps_its_size_whatever_the_memory() -> None:
    """White noise of variance 1 through B = 1 gives z of variance 1 (section 3.4)."""
    rows = 6000
    layer = Layer(spec.Lru, 1, 6, rows, "float64")
    w = np.concatenate([[1, 1, 1], [0, 0, 0], np.log(-np.log([0.1, 0.9, 0.99])), [0.0, 0.0, 0.0]])
    xs = np.random.default_rng(1).normal(0, 1, (rows, 1))
    ys, _ = layer.forward(w, xs, np.ones(rows))
    np.testing.assert_allclose(ys[:, :3].std(axis=0), 1.0, atol=0.15)
