"""SnAp-1 for the Elman layer (Menick et al. 2021, eq. 5 and sec. 3.1): J_ij = s_j (x_i + keep U_jj J_ij), s = 1 - h'^2.

Trace: J (I + H + 1, H), an entry per parameter, for the inputs x, h and 1. Reads the tape of elman.py.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.layers.contract import C, H, I
from streamrnn.kernels.layers.elman import params
from streamrnn.kernels.learning.trace import carry, trace_part


@trace_part
def follow(shape, w, tape, keep, dy, dx, g, trace, scratch, first, last):
    """Scratch: s (H), d (H), delta (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    rows = last - first
    one = carray(w, 1).dtype.type(1)
    W, U, _ = params(shape, w)
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    Y = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    J, G = carray(trace, (n + m + 1, m)), carray(g, (n + m + 1, m))
    s, d = carray(scratch, m), carray(shift(scratch, m), m)
    delta = carray(shift(scratch, 2 * m), m)
    for t in range(rows):
        y, v, kept = Y[t], dY[t], K[t]
        for j in range(m):
            s[j] = one - y[j] * y[j]
            d[j] = s[j] * U[j, j] * kept
            delta[j] = s[j] * v[j]
        for i in range(n):
            carry(J[i], G[i], d, s, v, X[t, i])
        for i in range(m):
            carry(J[n + i], G[n + i], d, s, v, P[t, i])
        carry(J[n + m], G[n + m], d, s, v, one)
        dX[t] = 0
        dots(W, delta, dX[t])
