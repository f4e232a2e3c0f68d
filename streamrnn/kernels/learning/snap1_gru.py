"""SnAp-1 for the GRU with reset after the product (Menick et al. 2021, sec. 3.1): every parameter changes one unit.

    dh'/dh = z + s_z U_z + s_n r U_n + s_r U_r on the diagonal, with the immediate influences
    s_n = (1 - z)(1 - n^2)        s_z = (h - n) z (1 - z)        s_r = s_n m r (1 - r)

Trace: J like the parameters: (I + H + 1, 3H) for the inputs x, h and 1, then c (H). Reads the tape of gru.py.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.layers.contract import C, H, I
from streamrnn.kernels.layers.gru import params
from streamrnn.kernels.learning.trace import carry, trace_part


@trace_part
def follow(shape, w, tape, keep, dy, dx, g, trace, scratch, first, last):
    """Scratch, each for the three gates (3H): influence by x, by h, diagonal, dy, deltas."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 3 * m, last - first
    one = carray(w, 1).dtype.type(1)
    W, U, _, _ = params(shape, w)
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + m) + first * k), (rows, k))
    M = carray(shift(tape, c * (n + m + k) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    J, G = carray(trace, (n + m + 1, k)), carray(g, (n + m + 1, k))
    Jc, Gc = carray(shift(trace, (n + m + 1) * k), m), carray(shift(g, (n + m + 1) * k), m)
    own = carray(scratch, (5, k))
    A, B, D, V, delta = own[0], own[1], own[2], own[3], own[4]
    for t in range(rows):
        h, mt, v, kept = P[t], M[t], dY[t], K[t]
        gr, gz, gn = gates[t, :m], gates[t, m : 2 * m], gates[t, 2 * m :]
        for j in range(m):
            r, z, q = gr[j], gz[j], gn[j]
            sn = (one - z) * (one - q * q)
            sz = (h[j] - q) * z * (one - z)
            sr = sn * mt[j] * r * (one - r)
            d = kept * (z + sz * U[j, m + j] + sn * r * U[j, 2 * m + j] + sr * U[j, j])
            A[j], A[m + j], A[2 * m + j] = sr, sz, sn
            B[j], B[m + j], B[2 * m + j] = sr, sz, sn * r
            D[j], D[m + j], D[2 * m + j] = d, d, d
            V[j], V[m + j], V[2 * m + j] = v[j], v[j], v[j]
            delta[j], delta[m + j], delta[2 * m + j] = sr * v[j], sz * v[j], sn * v[j]
        for i in range(n):
            carry(J[i], G[i], D, A, V, X[t, i])
        for i in range(m):
            carry(J[n + i], G[n + i], D, B, V, P[t, i])
        carry(J[n + m], G[n + m], D, A, V, one)
        carry(Jc, Gc, D[:m], B[2 * m :], v, one)
        dX[t] = 0
        dots(W, delta, dX[t])
