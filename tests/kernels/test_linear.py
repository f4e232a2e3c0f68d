"""Recursive least squares: equal to the normal equations, sound for ever, whatever the rows are."""

import numpy as np
import pytest

from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import linear


@jit
def follow(P, n, c, X, K, forget):
    """Gains K (N, n) of rows X (N, n) from P = FIRST I on; returns how often it had to start again."""
    linear.start(at(P, 0), n, c)
    again = 0
    for t in range(len(X)):
        again += 0 if linear.gain(at(P, 0), n, c, X[t], K[t], forget) else 1
    return again


@jit
def march(P, n, c, x, k, steps, forget, kind):
    """`steps` rows made on the way by a small generator; returns restarts and the largest gain ever."""
    linear.start(at(P, 0), n, c)
    again, largest, seed = 0, 0.0, 12345
    for t in range(steps):
        for i in range(n):
            seed = (seed * 1103515245 + 12345) % 2147483648
            noise = seed / 1073741824.0 - 1.0
            if kind == 0:  # noise
                x[i] = noise
            elif kind == 1:  # a constant, nothing else: one direction of n
                x[i] = 1.0
            elif kind == 2:  # twins: every other column repeats its neighbour
                x[i] = noise if i % 2 == 0 else x[i - 1]
            else:  # silence, then bursts of the largest that comes
                x[i] = 30.0 * noise if t % 1000 < 3 else 0.0
        again += 0 if linear.gain(at(P, 0), n, c, x, k, forget) else 1
        for i in range(n):
            largest = max(largest, abs(k[i]))
    return again, largest


def room(n):
    return np.full(linear.length(n), np.nan), np.full(n, np.nan)


@pytest.mark.parametrize("n", [4, 12, 56])
@pytest.mark.parametrize("forget", [0.97, 0.9995, 1.0])
def test_weights_by_the_gains_solve_the_weighted_normal_equations(n, forget):
    random = np.random.default_rng(n)
    X, K = random.normal(size=(400, n)), np.empty((400, n))
    z = X @ random.normal(size=n) + random.normal(size=400)
    assert follow(*room(n)[:1], n, room(n)[1], X, K, forget) == 0
    w = np.zeros(n)
    for x, k, y in zip(X, K, z, strict=True):
        w += k * (y - w @ x)
    weight = forget ** np.arange(399, -1, -1)
    prior = forget**401 / linear.FIRST * np.eye(n)  # the first P has waited one row too
    assert w == pytest.approx(np.linalg.solve((X.T * weight) @ X + prior, (X.T * weight) @ z), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("kind", range(4), ids=["noise", "constant", "twins", "bursts"])
@pytest.mark.parametrize("forget", [0.99, 0.9995])
def test_gains_stay_bounded(kind, forget):
    P, c = room(12)
    again, largest = march(P, 12, c, np.zeros(12), np.zeros(12), 100_000, forget, kind)
    assert np.isfinite(P).all()
    assert np.isfinite(c).all()
    assert again == 0
    assert largest < 100


@pytest.mark.long
@pytest.mark.parametrize("kind", range(4), ids=["noise", "constant", "twins", "bursts"])
def test_ten_million_rows_leave_it_sound(kind):
    P, c = room(12)
    again, largest = march(P, 12, c, np.zeros(12), np.zeros(12), 10_000_000, 0.999, kind)
    assert np.isfinite(P).all()
    assert again == 0
    assert largest < 100


def test_what_is_not_finite_starts_it_again():
    P, c = room(8)
    X, K = np.ones((3, 8)), np.empty((3, 8))
    X[1, 2] = np.inf
    assert follow(P, 8, c, X, K, 0.99) == 1
    assert not K[1].any()
    assert np.isfinite(K[2]).all()
    assert K[2].any()
