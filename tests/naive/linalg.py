"""Matrix primitives by loops over single numbers; each returns the new value of what the kernel adds to."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def matvec(W: Array, x: Array, y: Array) -> Array:
    """y + W' x, W (I, O)."""
    return np.array([y[o] + sum(float(W[i, o]) * float(x[i]) for i in range(len(x))) for o in range(len(y))])


def dots(W: Array, d: Array, y: Array) -> Array:
    """y + W d, W (I, O)."""
    return np.array([y[i] + sum(float(W[i, o]) * float(d[o]) for o in range(len(d))) for i in range(len(y))])


def fold(X: Array, D: Array, G: Array) -> Array:
    """G + X' D, X (K, I), D (K, O)."""
    result = G.astype(np.float64)
    for x, d in zip(X, D, strict=True):
        for i in range(len(x)):
            for o in range(len(d)):
                result[i, o] += float(x[i]) * float(d[o])
    return result


def sums(D: Array, g: Array) -> Array:
    """g + sum over the rows of D."""
    result = g.astype(np.float64)
    for d in D:
        for o in range(len(d)):
            result[o] += float(d[o])
    return result
