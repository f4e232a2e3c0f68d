"""Matrix primitives against loops over single numbers, at widths around the blocks of 4 and 8."""

from typing import Any

import numpy as np
import pytest

from streamrnn.kernels.core import linalg
from tests.naive import linalg as naive

SIZES = [(1, 1), (3, 5), (4, 4), (5, 8), (7, 3), (8, 9), (8, 24), (9, 17), (12, 36), (16, 1), (27, 30), (33, 6)]


def close(dtype: str) -> dict[str, Any]:
    return {"rtol": 1e-12, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_products_equal_their_twins(n: int, m: int, dtype: str) -> None:
    random = np.random.default_rng(n * 100 + m)
    W, X, D = (random.normal(0, 1, shape).astype(dtype) for shape in ((n, m), (n, m), (n, 5)))
    x, d = random.normal(0, 1, n).astype(dtype), random.normal(0, 1, m).astype(dtype)
    for ours, twin, arguments, start in (
        (linalg.matvec, naive.matvec, (W, x), random.normal(0, 1, m)),
        (linalg.dots, naive.dots, (W, d), random.normal(0, 1, n)),
        (linalg.fold, naive.fold, (X, D), random.normal(0, 1, (m, 5))),
        (linalg.sums, naive.sums, (X,), random.normal(0, 1, m)),
    ):
        result = start.astype(dtype)
        want = twin(*arguments, result)
        ours(*arguments, result)
        np.testing.assert_allclose(result, want, **close(dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_seen(bad: float) -> None:
    """fast-math must not assume it away."""
    W, y = np.ones((5, 9), np.float32), np.zeros(9, np.float32)
    linalg.matvec(W, np.array([1, 1, 1, 1, bad], np.float32), y)
    assert not np.isfinite(y).any()
    G = np.zeros((9, 2), np.float32)
    W[3, 4] = bad
    linalg.fold(W, np.ones((5, 2), np.float32), G)
    assert np.isfinite(G).all(axis=1).tolist() == [place != 4 for place in range(9)]
