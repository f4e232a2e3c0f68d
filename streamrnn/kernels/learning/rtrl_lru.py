"""Exact real-time recurrent learning of the linear recurrent unit (Zucchet et al. 2023, eqs. 4 to 6).

The units do not see each other, so the influence of a parameter stays in its unit, nothing is left out, and the cost
does not depend on how long the history is. Per row, with z the state before and v = B' x:

    E_i' = l E_i + g x_i   (by B, input i)        F' = l F + z   (by l)        S' = l S + v   (by g)

By the imaginary part of B or l the influence is i times the same. Trace: E (I, H), F (H), S (H), real parts before
imaginary parts in each; nu and theta get theirs through `pull` of lru.py, whose tape is read.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.layers.contract import C, H, I
from streamrnn.kernels.layers.lru import params, polar, pull
from streamrnn.kernels.learning.trace import TINY, trace_part


@jit
def turn(E, a, b, x, y):
    """E (2, K) = l E + x + i y, l = a + i b; x, y (K)."""
    t = E.dtype.type
    tiny, zero = t(TINY), t(0)
    p, q = E[0], E[1]
    for j in range(len(p)):
        c = a[j] * p[j] - b[j] * q[j] + x[j]
        d = a[j] * q[j] + b[j] * p[j] + y[j]
        p[j] = zero if abs(c) < tiny else c
        q[j] = zero if abs(d) < tiny else d


@jit
def pass_on(E, G, a, b, s, x, p, q):
    """One input x: E = l E + s x; G (2, K) by the real and imaginary part of its weights, from dy = p + i q."""
    t = E.dtype.type
    tiny, zero = t(TINY), t(0)
    er, ei, gr, gi = E[0], E[1], G[0], G[1]
    for j in range(len(er)):
        c = a[j] * er[j] - b[j] * ei[j] + s[j] * x
        d = a[j] * ei[j] + b[j] * er[j]
        c = zero if abs(c) < tiny else c
        d = zero if abs(d) < tiny else d
        er[j], ei[j] = c, d
        gr[j] += p[j] * c + q[j] * d
        gi[j] += q[j] * c - p[j] * d


@trace_part
def follow(shape, w, tape, keep, dy, dx, g, trace, scratch, first, last):
    """Scratch (K each): l, g, keep l, the gradients by l and by g; deltas (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = m // 2, last - first
    B, nu, theta = params(shape, w)
    X = carray(shift(tape, first * n), (rows, n))
    Z = carray(shift(tape, c * n + first * m), (rows, 2, k))
    V = carray(shift(tape, c * (n + m) + first * m), (rows, 2, k))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, 2, k)), carray(dx, (rows, n))
    E, G = carray(trace, (n, 2, k)), carray(g, (n, 2, k))
    F, S = carray(shift(trace, n * m), (2, k)), carray(shift(trace, (n + 1) * m), (2, k))
    own, delta = carray(scratch, (8, k)), carray(shift(scratch, 8 * k), m)
    a, b, size, ka, kb, da, db, ds = own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7]
    own[5:8] = 0
    dre, dim = delta[:k], delta[k:]
    for j in range(k):
        a[j], b[j], size[j] = polar(nu[j], theta[j])
    for t in range(rows):
        p, q, kept = dY[t, 0], dY[t, 1], K[t]
        for j in range(k):
            ka[j], kb[j] = kept * a[j], kept * b[j]
            dre[j], dim[j] = size[j] * p[j], size[j] * q[j]
        turn(F, ka, kb, Z[t, 0], Z[t, 1])
        turn(S, ka, kb, V[t, 0], V[t, 1])
        for j in range(k):
            da[j] += p[j] * F[0, j] + q[j] * F[1, j]
            db[j] += q[j] * F[0, j] - p[j] * F[1, j]
            ds[j] += p[j] * S[0, j] + q[j] * S[1, j]
        for i in range(n):
            pass_on(E[i], G[i], ka, kb, size, X[t, i], p, q)
        dX[t] = 0
        dots(B, delta, dX[t])
    _, gnu, gtheta = params(shape, g)
    for j in range(k):
        by_nu, by_theta = pull(nu[j], theta[j], da[j], db[j], ds[j])
        gnu[j] += by_nu
        gtheta[j] += by_theta
