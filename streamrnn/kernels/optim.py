"""Optimisers over flat parameters, one fused pass each.

update(n, w, g, state, reals, scale, step): w (n) moves against scale * g (n); `step` counts from 1, reals is the
plan's.
Moments below 1e-30 are flushed to zero: subnormal numbers would slow the loop tenfold.
"""

import math

from numba import carray, types

from streamrnn.kernels import table as c
from streamrnn.kernels.jit import family

TINY = 1e-30


def _update(real):
    p = types.CPointer(real)
    return types.void(types.int64, p, p, p, types.CPointer(types.float64), types.float64, types.int64)


optimiser_part = family(_update)


@optimiser_part
def adam(n, w, g, state, reals, scale, step):
    """Adam (Kingma and Ba 2015, algorithm 1, bias corrections folded into the step size). State: m (n), v (n)."""
    W, G, S = carray(w, n), carray(g, n), carray(state, 2 * n)
    m, v = S[:n], S[n:]
    real = W.dtype.type
    b1, b2 = reals[c.DECAY1], reals[c.DECAY2]
    root = math.sqrt(1.0 - b2**step)
    rate = real(reals[c.RATE] * root / (1.0 - b1**step))
    epsilon, k, tiny, zero = real(1e-8 * root), real(scale), real(TINY), real(0)
    k1, k2, r1, r2 = real(b1), real(b2), real(1.0 - b1), real(1.0 - b2)
    for i in range(n):
        d = k * G[i]
        a = k1 * m[i] + r1 * d
        b = k2 * v[i] + r2 * d * d
        m[i] = a if abs(a) > tiny else zero
        v[i] = b if b > tiny else zero
        W[i] -= rate * a / (real(math.sqrt(b)) + epsilon)


@optimiser_part
def sgd(n, w, g, state, reals, scale, step):
    """Gradient descent with momentum (Polyak 1964): v = momentum v + g; w -= rate v. State: v (n)."""
    W, G, v = carray(w, n), carray(g, n), carray(state, n)
    real = W.dtype.type
    rate, momentum, k, tiny, zero = real(reals[c.RATE]), real(reals[c.DECAY1]), real(scale), real(TINY), real(0)
    for i in range(n):
        a = momentum * v[i] + k * G[i]
        v[i] = a if abs(a) > tiny else zero
        W[i] -= rate * a
