"""The filter's covariances: as their twin's, positive for as long as one likes, exact on a linear model."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.call import at, call
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.learning import ekf
from streamrnn.model.parts import HEADS
from tests.naive import ekf as naive

Array = NDArray[Any]


@jit
def filtered(state, n, x, y, w, X, targets, R, noise, prior):
    """Every row of X (N, n, GROUPS) with its target: all groups are one linear model, w (n, GROUPS)."""
    ekf.begin(at(state, 0), n, ekf.WIDE, prior)
    for t in range(len(targets)):
        e = targets[t]
        for i in range(n):
            for u in range(ekf.WIDE):
                x[i, u] = X[t, i, u]
                e -= w[i, u] * X[t, i, u]
        total = R + ekf.product(at(state, 0), n, at(x, 0), at(y, 0), noise, prior)
        for i in range(n):
            for u in range(ekf.WIDE):
                w[i, u] += y[i, u] * (e / total)
        ekf.wait(at(state, 0), n, at(y, 0), 1.0 / math.sqrt(total))
    ekf.product(at(state, 0), n, at(x, 0), at(y, 0), 0.0, prior)


@jit
def _innovate(address, n, o, y, noise, reals, out):
    call(address, n, at(o, 0), y, noise, at(reals, 0), at(out, 0))


def run(X: Array, targets: Array, R: float, noise: float, prior: float, dtype: str) -> tuple[Array, Array]:
    """Weights (n, GROUPS) and covariances (GROUPS, n, n)."""
    n = X.shape[1]
    state = np.zeros(ekf.WIDE * (n * (n + 1) // 2 + n), dtype)
    x, y, w = (np.zeros((n, ekf.WIDE), dtype) for _ in range(3))
    filtered(state, n, x, y, w, X.astype(dtype), targets.astype(dtype), R, noise, prior)
    low = state[: ekf.WIDE * (n * (n + 1) // 2)].reshape(-1, ekf.WIDE)
    P = np.zeros((ekf.WIDE, n, n))
    for u in range(ekf.WIDE):
        P[u][np.tril_indices(n)] = low[:, u]
        P[u] = P[u] + np.tril(P[u], -1).T
    return w.astype(float), P


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-9), ("float32", 2e-3)])
@pytest.mark.parametrize("n", [1, 3, 4, 7, 13])
def test_groups_equal_their_twins(n: int, dtype: str, close: float) -> None:
    random = np.random.default_rng(n)
    X, y = random.normal(0, 1, (60, n, ekf.WIDE)), random.normal(0, 1, 60)
    ours, P = run(X, y, 0.7, 1e-3, 0.3, dtype)
    w, twins = np.zeros((ekf.WIDE, n)), np.tile(0.3 * np.eye(n), (ekf.WIDE, 1, 1))
    for row, target in zip(X, y, strict=True):
        e = target - float(np.sum(w.T * row))
        spread = [naive.spread(twins[u], 1e-3, 0.3) for u in range(ekf.WIDE)]
        A = 0.7 + sum(float(row[:, u] @ spread[u] @ row[:, u]) for u in range(ekf.WIDE))
        for u in range(ekf.WIDE):
            own = float(row[:, u] @ spread[u] @ row[:, u])
            w[u], twins[u] = naive.update(w[u], spread[u], row[:, u], e, A - own)
    np.testing.assert_allclose(ours.T, w, rtol=close, atol=close)
    np.testing.assert_allclose(P, twins, rtol=close, atol=close)


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-8), ("float32", 1e-3)])
def test_one_group_on_a_linear_model_is_recursive_least_squares(dtype: str, close: float) -> None:
    random = np.random.default_rng(2)
    X = np.zeros((400, 9, ekf.WIDE))
    X[:, :, 3] = random.normal(0, 1, (400, 9))
    y = X[:, :, 3] @ random.normal(0, 1, 9) + random.normal(0, 0.5, 400)
    ours, _ = run(X, y, 0.25, 0.0, 10.0, dtype)
    np.testing.assert_allclose(ours[:, 3], naive.least_squares(X[:, :, 3], y, 10.0, 0.25), rtol=close, atol=close)
    assert not np.delete(ours, 3, axis=1).any()


def test_covariances_stay_positive_and_bounded_over_300000_updates_in_float32() -> None:
    """Symmetric they are by their storage; inputs are nearly dependent, which is the worst for the others."""
    random = np.random.default_rng(1)
    base = random.normal(0, 1, (300_000, 1, 1))
    X = base + 0.01 * random.normal(0, 1, (300_000, 6, ekf.WIDE))
    _, P = run(X, random.normal(0, 1, 300_000), 1e-4, 1e-7, 0.3, "float32")
    assert np.isfinite(P).all()
    for each in P:
        assert np.linalg.eigvalsh(each).min() > -1e-6 * np.diag(each).max()
        assert (np.diag(each) > 0).all() and np.diag(each).max() < 0.3 + 1e-6


def test_the_noise_raises_no_variance_beyond_its_prior() -> None:
    """Of a weight that no label says anything about."""
    X = np.random.default_rng(5).normal(0, 1, (2000, 3, ekf.WIDE))
    X[:, 1] = 0
    _, P = run(X, np.zeros(2000), 1.0, 1e-3, 0.3, "float32")
    assert (P[:, 1, 1] >= 0.3).all() and P.max() < 0.3 + 2e-3


@pytest.mark.parametrize(("head", "noise"), [(spec.Gaussian(), 0.4), (spec.Student(), 0.4), (spec.Binary(), 1.0)])
def test_what_a_head_measures_is_score_and_information(head: spec.Head, noise: float) -> None:
    """e / R is minus the gradient of the loss by the first output, with the scale that R stands for."""
    part = HEADS[type(head)]
    for o, y in ((0.3, 1.0), (-0.6, 0.0)):
        outputs, reals, out = np.array([o, 0.5 * math.log(noise)]), np.array([*part.reals(head), 0.0]), np.zeros(2)
        _innovate(part.innovate.address("float64"), part.width(head), outputs, y, noise, reals, out)
        d, loss = np.zeros(2), np.zeros(1)
        _grad(part.grad.address("float64"), part.width(head), outputs, y, d, reals, loss)
        assert out[0] / out[1] == pytest.approx(-d[0])


@jit
def _grad(address, n, o, y, d, reals, loss):
    call(address, n, at(o, 0), y, at(d, 0), at(reals, 0), at(loss, 0))
