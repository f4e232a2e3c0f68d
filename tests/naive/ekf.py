"""The filter of one group of weights, with a full matrix (Puskorius and Feldkamp 1994, eqs. 12 to 15)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def update(w: Array, P: Array, g: Array, e: float, R: float, noise: float) -> tuple[Array, Array]:
    """w and P after an error e of an output whose gradient is g; the noise is added before, as ours adds it."""
    P = P + noise * np.eye(len(w))
    A = R + g @ P @ g
    K = P @ g / A
    return w + K * e, P - np.outer(K, g @ P)


def least_squares(X: Array, y: Array, prior: float, R: float) -> Array:
    """Weights that recursive least squares without forgetting has after all rows: those of ridge regression."""
    n = X.shape[1]
    return np.asarray(np.linalg.solve(X.T @ X / R + np.eye(n) / prior, X.T @ y / R))
