"""The filter of one group of weights, with a full matrix (Puskorius and Feldkamp 1994, eqs. 12 to 15)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spread(P: Array, noise: float, most: float) -> Array:
    """P with the process noise on every variance that is below `most`; added before an update, as ours adds it."""
    return P + noise * np.diag((np.diag(P) < most).astype(float))


def update(w: Array, P: Array, g: Array, e: float, R: float) -> tuple[Array, Array]:
    """w and P after an error e of an output whose gradient is g."""
    A = R + g @ P @ g
    K = P @ g / A
    return w + K * e, P - np.outer(K, g @ P)


def least_squares(X: Array, y: Array, prior: float, R: float) -> Array:
    """Weights that recursive least squares without forgetting has after all rows: those of ridge regression."""
    n = X.shape[1]
    return np.asarray(np.linalg.solve(X.T @ X / R + np.eye(n) / prior, X.T @ y / R))
