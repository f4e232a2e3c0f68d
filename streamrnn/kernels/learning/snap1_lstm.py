"""SnAp-1 for the LSTM (Menick et al. 2021, sec. 3.1), whose state is h and c: J and Q are the influences on them.

A parameter of the gates i, f, g changes h and c of its unit within one row; one of o changes h alone. With a = U_jj J:

    Q' = f Q + s_i a_i + s_f a_f + s_g a_g + (own s) x        s_i = g i (1 - i), s_f = c f (1 - f), s_g = i (1 - g^2)
    J' = o (1 - tanh(c')^2) Q' + s_o a_o + (own s_o) x        s_o = tanh(c') o (1 - o)

where the own terms are those of the parameter's gate, and x its input; for o, whose Q stays 0, Q' in J' is without f Q.
Trace: J (I + H + 1, 4H) for the inputs x, h and 1, gates as in lstm.py, then Q (I + H + 1, 3H) in the order i, f, g.
Reads the tape of lstm.py.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.layers.contract import C, H, I
from streamrnn.kernels.layers.lstm import params
from streamrnn.kernels.learning.trace import TINY, carry, trace_part


@jit
def pair(J, Q, G, f, a, u, b, s, v, x):
    """One input x of one gate's units: Q = f Q + a J + s x, J = u Q + b J, G += v J."""
    t = J.dtype.type
    tiny, zero = t(TINY), t(0)
    for j in range(len(J)):
        c = f[j] * Q[j] + a[j] * J[j] + s[j] * x
        h = u[j] * c + b[j] * J[j]
        c = zero if abs(c) < tiny else c
        h = zero if abs(h) < tiny else h
        Q[j], J[j] = c, h
        G[j] += v[j] * h


@jit
def one_input(J, Q, G, own, v, x, m):
    """One input x of all gates; J, G (4H), Q (3H)."""
    f, a, u, b, d = own[0], own[1], own[2], own[3], own[4]
    si, sf, so, sg = own[5], own[6], own[7], own[8]
    pair(J[:m], Q[:m], G[:m], f, a, u, b, si, v, x)
    pair(J[m : 2 * m], Q[m : 2 * m], G[m : 2 * m], f, a, u, b, sf, v, x)
    carry(J[2 * m : 3 * m], G[2 * m : 3 * m], d, so, v, x)
    pair(J[3 * m :], Q[2 * m :], G[3 * m :], f, a, u, b, sg, v, x)


@trace_part
def follow(shape, w, tape, keep, dy, dx, g, trace, scratch, first, last):
    """Scratch (H each): f, a, u, b as in `pair`, dh'/dh, the gates' influences; deltas (4H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 4 * m, last - first
    one = carray(w, 1).dtype.type(1)
    W, U, _ = params(shape, w)
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    R = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + 2 * m) + first * k), (rows, k))
    T = carray(shift(tape, c * (n + 2 * m + k) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    J, G = carray(trace, (n + m + 1, k)), carray(g, (n + m + 1, k))
    Q = carray(shift(trace, (n + m + 1) * k), (n + m + 1, 3 * m))
    own, delta = carray(scratch, (9, m)), carray(shift(scratch, 9 * m), k)
    for t in range(rows):
        v, before, u, kept = dY[t], R[t], T[t], K[t]
        gi, gf = gates[t, :m], gates[t, m : 2 * m]
        go, gg = gates[t, 2 * m : 3 * m], gates[t, 3 * m :]
        for j in range(m):
            i, f, o, y = gi[j], gf[j], go[j], gg[j]
            si, sf, so, sg = y * i * (one - i), before[j] * f * (one - f), u[j] * o * (one - o), i * (one - y * y)
            e = o * (one - u[j] * u[j])
            own[0, j], own[2, j] = kept * f, e
            own[1, j] = kept * (si * U[j, j] + sf * U[j, m + j] + sg * U[j, 3 * m + j])
            own[3, j] = kept * so * U[j, 2 * m + j]
            own[4, j] = e * own[1, j] + own[3, j]
            own[5, j], own[6, j], own[7, j], own[8, j] = si, sf, so, sg
            delta[j], delta[m + j] = v[j] * e * si, v[j] * e * sf
            delta[2 * m + j], delta[3 * m + j] = v[j] * so, v[j] * e * sg
        for i in range(n):
            one_input(J[i], Q[i], G[i], own, v, X[t, i], m)
        for i in range(m):
            one_input(J[n + i], Q[n + i], G[n + i], own, v, P[t, i], m)
        one_input(J[n + m], Q[n + m], G[n + m], own, v, one, m)
        dX[t] = 0
        dots(W, delta, dX[t])
