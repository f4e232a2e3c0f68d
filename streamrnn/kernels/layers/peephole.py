"""Long short-term memory whose gates see the cell (Gers, Schraudolph, Schmidhuber 2002, with forget gate).

    i, f = sigmoid(W' x + U' h + p c + b)     g = tanh(W_g' x + U_g' h + b_g)       c' = f c + i g
    o = sigmoid(W_o' x + U_o' h + p_o c' + b_o)                                     h' = o tanh(c')

Parameters: W (I, 4H), U (H, 4H), b (4H), gates in the order i, f, o, g; peepholes p_i, p_f, p_o (3H).
State: h (H), c (H).
Tape: x (C, I), h before the step (C, H), c before the step (C, H), i, f, o, g (C, 4H), c' (C, H), tanh(c') (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import sigmoid, tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part


@jit
def params(shape, w):
    """W, U, b, p (3, H): views of parameters or of their gradient."""
    n, m = shape[I], shape[H]
    k = 4 * m
    last = shift(w, (n + m) * k)
    return carray(w, (n, k)), carray(shift(w, n * k), (m, k)), carray(last, k), carray(shift(last, k), (3, m))


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activations (4H)."""
    n, m, rows = shape[I], shape[H], shape[C]
    k = 4 * m
    W, U, b, p = params(shape, w)
    h, c = carray(state, m), carray(shift(state, m), m)
    xs, a = carray(x, n), carray(scratch, k)
    tx = carray(shift(tape, t * n), n)
    th = carray(shift(tape, rows * n + t * m), m)
    tc = carray(shift(tape, rows * (n + m) + t * m), m)
    gates = carray(shift(tape, rows * (n + 2 * m) + t * k), k)
    after = carray(shift(tape, rows * (n + 2 * m + k) + t * m), m)
    tt = carray(shift(tape, rows * (n + 3 * m + k) + t * m), m)
    gi, gf, go, gg = gates[:m], gates[m : 2 * m], gates[2 * m : 3 * m], gates[3 * m :]
    ai, af, ao, ag = a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :]
    pi, pf, po = p[0], p[1], p[2]
    for j in range(k):
        a[j] = b[j]
    for i in range(n):
        tx[i] = xs[i]
    matvec(W, xs, a)
    matvec(U, h, a)
    for j in range(m):
        gi[j], gf[j] = sigmoid(ai[j] + pi[j] * c[j]), sigmoid(af[j] + pf[j] * c[j])
        gg[j] = tanh(ag[j])
    for j in range(m):
        th[j], tc[j] = h[j], c[j]
        after[j] = gf[j] * tc[j] + gi[j] * gg[j]
        c[j] = after[j]
    for j in range(m):
        go[j] = sigmoid(ao[j] + po[j] * after[j])
        tt[j] = tanh(after[j])
        h[j] = go[j] * tt[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: deltas at the pre-activations (rows, 4H), carry of h (H), carry of c (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 4 * m, last - first
    one = carray(w, 1).dtype.type(1)
    (W, U, _, p), (gW, gU, gb, gp) = params(shape, w), params(shape, g)
    pi, pf, po, gpi, gpf, gpo = p[0], p[1], p[2], gp[0], gp[1], gp[2]
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    Q = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + 2 * m) + first * k), (rows, k))
    E = carray(shift(tape, c * (n + 2 * m + k) + first * m), (rows, m))
    T = carray(shift(tape, c * (n + 3 * m + k) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX, D = carray(dy, (rows, m)), carray(dx, (rows, n)), carray(scratch, (rows, k))
    dh, dc = carray(shift(scratch, rows * k), m), carray(shift(scratch, rows * k + m), m)
    dh[:] = 0
    dc[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        v, q, after, u = dY[t], Q[t], E[t], T[t]
        gi, gf, go, gg = gates[t, :m], gates[t, m : 2 * m], gates[t, 2 * m : 3 * m], gates[t, 3 * m :]
        di, df, do, dg = D[t, :m], D[t, m : 2 * m], D[t, 2 * m : 3 * m], D[t, 3 * m :]
        for j in range(m):
            i, f, o, y = gi[j], gf[j], go[j], gg[j]
            d = v[j] + dh[j]
            do[j] = d * u[j] * o * (one - o)
            e = dc[j] + d * o * (one - u[j] * u[j]) + do[j] * po[j]
            di[j] = e * y * i * (one - i)
            df[j] = e * q[j] * f * (one - f)
            dg[j] = e * i * (one - y * y)
            dc[j] = K[t] * (e * f + di[j] * pi[j] + df[j] * pf[j])
            dh[j] = 0
        for j in range(m):
            gpi[j] += di[j] * q[j]
            gpf[j] += df[j] * q[j]
            gpo[j] += do[j] * after[j]
        dots(U, D[t], dh)
        for j in range(m):
            dh[j] *= K[t]
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, D[t], dX[t])
    fold(X, D, gW)
    fold(P, D, gU)
    sums(D, gb)
