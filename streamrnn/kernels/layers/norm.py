"""Layer normalisation: h = g (x - mean) / sd + b over the I numbers of one row (Ba, Kiros, Hinton 2016, eq. 4).

Parameters: g (I), b (I). State: h (I), the output alone. Tape: (x - mean) / sd (C, I), 1 / sd (C).
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.layers.contract import C, I, backward_part, forward_part

EPSILON = 1e-5  # added to the variance


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; no scratch."""
    n, c = shape[I], shape[C]
    G, b = carray(w, n), carray(shift(w, n), n)
    h, xs, z = carray(state, n), carray(x, n), carray(shift(tape, t * n), n)
    real = G.dtype.type
    mean, variance = real(0), real(0)
    for i in range(n):
        mean += xs[i]
    mean /= real(n)
    for i in range(n):
        z[i] = xs[i] - mean
        variance += z[i] * z[i]
    inverse = real(1) / math.sqrt(variance / real(n) + real(EPSILON))
    carray(shift(tape, c * n + t), 1)[0] = inverse
    for i in range(n):
        z[i] *= inverse
        h[i] = G[i] * z[i] + b[i]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """d = g dy; dx = (d - mean d - z mean(d z)) / sd. No scratch."""
    n, c, rows = shape[I], shape[C], last - first
    G, gG, gb = carray(w, n), carray(g, n), carray(shift(g, n), n)
    Z, S = carray(shift(tape, first * n), (rows, n)), carray(shift(tape, c * n + first), rows)
    dY, dX = carray(dy, (rows, n)), carray(dx, (rows, n))
    real = G.dtype.type
    for t in range(rows):
        z, v, d = Z[t], dY[t], dX[t]
        mean, along = real(0), real(0)
        for i in range(n):
            d[i] = G[i] * v[i]
            mean += d[i]
            along += d[i] * z[i]
            gG[i] += v[i] * z[i]
            gb[i] += v[i]
        mean, along, inverse = mean / real(n), along / real(n), S[t]
        for i in range(n):
            d[i] = (d[i] - mean - z[i] * along) * inverse
