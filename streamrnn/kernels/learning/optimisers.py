"""Optimisers over flat parameters, one fused pass each.

update(n, w, g, state, reals, scale, rate, step): w (n) moves against scale * g (n); `step` counts from 1, reals is the
plan's, and no weight moves further than reals[CAP] at once (the moments see the gradient as it is).
Moments below 1e-30 are flushed to zero: subnormal numbers would slow the loop tenfold.
"""

import math

from numba import carray, types

from streamrnn.kernels.core.jit import family, jit
from streamrnn.kernels.core.program import Reals

TINY = 1e-30


def _update(real):
    p = types.CPointer(real)
    return types.void(types.int64, p, p, p, types.CPointer(types.float64), types.float64, types.float64, types.int64)


optimiser_part = family(_update)


@jit
def within(move, most):
    """A move, cut to +-most; NaN passes."""
    move = most if move > most else move
    return -most if move < -most else move


@optimiser_part
def adam(n, w, g, state, reals, scale, rate, step):
    """Adam (Kingma and Ba 2015, algorithm 1, bias corrections folded into the step size). State: m (n), v (n).

    Reals: beta1, beta2, and the decoupled weight decay of AdamW (Loshchilov and Hutter 2019, algorithm 2), 0 for Adam.
    """
    W, G, S = carray(w, n), carray(g, n), carray(state, 2 * n)
    m, v = S[:n], S[n:]
    real = W.dtype.type
    b1, b2 = reals[Reals.FIRST], reals[Reals.SECOND]
    root = math.sqrt(1.0 - b2**step)
    pace, most = real(rate * root / (1.0 - b1**step)), real(reals[Reals.CAP])
    epsilon, k, tiny, zero = real(1e-8 * root), real(scale), real(TINY), real(0)
    shrink = real(rate * reals[Reals.SHRINK])
    k1, k2, r1, r2 = real(b1), real(b2), real(1.0 - b1), real(1.0 - b2)
    for i in range(n):
        d = k * G[i]
        a = k1 * m[i] + r1 * d
        b = k2 * v[i] + r2 * d * d
        m[i] = a if abs(a) > tiny else zero
        v[i] = b if b > tiny else zero
        W[i] -= within(pace * a / (real(math.sqrt(b)) + epsilon) + shrink * W[i], most)


@optimiser_part
def sgd(n, w, g, state, reals, scale, rate, step):
    """Gradient descent with momentum (Polyak 1964): v = momentum v + g; w -= rate v. State: v (n)."""
    W, G, v = carray(w, n), carray(g, n), carray(state, n)
    real = W.dtype.type
    pace, most, momentum = real(rate), real(reals[Reals.CAP]), real(reals[Reals.FIRST])
    k, tiny, zero = real(scale), real(TINY), real(0)
    for i in range(n):
        a = momentum * v[i] + k * G[i]
        v[i] = a if abs(a) > tiny else zero
        W[i] -= within(pace * a, most)


@optimiser_part
def rmsprop(n, w, g, state, reals, scale, rate, step):
    """RMSProp (Tieleman and Hinton 2012): v = decay v + (1 - decay) g^2; w -= rate g / sqrt(v). State: v (n)."""
    W, G, v = carray(w, n), carray(g, n), carray(state, n)
    real = W.dtype.type
    pace, most, epsilon = real(rate), real(reals[Reals.CAP]), real(1e-8)
    k, tiny, zero = real(scale), real(TINY), real(0)
    keep, take = real(reals[Reals.FIRST]), real(1.0 - reals[Reals.FIRST])
    for i in range(n):
        d = k * G[i]
        b = keep * v[i] + take * d * d
        v[i] = b if b > tiny else zero
        W[i] -= within(pace * d / (real(math.sqrt(b)) + epsilon), most)


@optimiser_part
def obgd(n, w, g, state, reals, scale, rate, step):
    """Overshoot-bounded gradient descent (Elsayed, Vasan, Mahmood 2024, algorithm 3) without eligibility traces.

    w -= rate g / max(1, rate kappa |g|_1): no update can change the error by more than a share of it. Reals: kappa.
    """
    W, G = carray(w, n), carray(g, n)
    real = W.dtype.type
    k, size = real(scale), real(0)
    for i in range(n):
        size += abs(k * G[i])
    pace, most = real(rate / max(1.0, rate * reals[Reals.FIRST] * float(size))), real(reals[Reals.CAP])
    for i in range(n):
        W[i] -= within(pace * (k * G[i]), most)
