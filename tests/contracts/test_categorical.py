"""The categorical head: its twin, its gradient by central differences, and what it does at the edges."""

import numpy as np
import pytest

from streamrnn.kernels.heads import categorical
from tests.naive.events import softmax

WIDTHS = [1, 2, 5, 64, 257]


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("n", WIDTHS)
def test_probabilities_equal_the_twin(n, dtype, close):
    o = np.random.default_rng(n).normal(0, 5, n).astype(dtype)
    p = np.full(n + 1, np.nan, dtype)
    whole = categorical.softmax(o, p, n)
    np.testing.assert_allclose(p[:n], softmax(o.astype(np.float64)), atol=close)
    np.testing.assert_allclose(whole, np.log(np.exp(o.astype(np.float64)).sum()), rtol=1e-6)
    assert np.isnan(p[n])  # what lies beyond is somebody else's


@pytest.mark.parametrize("n", WIDTHS[1:])
def test_gradient_equals_central_differences(n):
    random = np.random.default_rng(n)
    o, s, d, p = random.normal(0, 2, n), int(random.integers(n)), np.zeros(n), np.zeros(n)
    categorical.softmax(o, p, n)
    categorical.grad(p, s, d, n)
    want = []
    for i in range(n):
        ends = [-np.log(softmax(o + step * (np.arange(n) == i))[s]) for step in (1e-6, -1e-6)]
        want.append((ends[0] - ends[1]) / 2e-6)
    np.testing.assert_allclose(d, want, atol=1e-8)
    assert abs(d.sum()) < 1e-12


def test_large_outputs_do_not_overflow_and_what_is_not_a_number_is_seen():
    p = np.zeros(3)
    categorical.softmax(np.array([1e30, 0.0, -1e30]), p, 3)
    assert p.tolist() == [1.0, 0.0, 0.0]
    for bad in (np.nan, np.inf):
        assert not np.isfinite(categorical.softmax(np.array([0.0, bad, 1.0]), p, 3))


def test_rank_and_the_likeliest():
    p = np.array([0.1, 0.4, 0.1, 0.3, 0.1])
    assert [categorical.rank(p, s, 5) for s in range(5)] == [3, 1, 3, 2, 3]
    places = np.zeros(7, np.int64)
    categorical.likeliest(p, 5, places, 7)
    assert places.tolist() == [1, 3, 0, 2, 4, -1, -1]
