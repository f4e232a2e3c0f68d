"""Long short-term memory with forget gate (Gers, Schmidhuber, Cummins 2000, without peepholes).

    i, f, o = sigmoid(W' x + U' h + b)        g = tanh(W_g' x + U_g' h + b_g)
    c' = f c + i g                            h' = o tanh(c')

Parameters: W (I, 4H), U (H, 4H), b (4H); gates in the order i, f, o, g. State: h (H), c (H).
Tape: x (C, I), h before the step (C, H), c before the step (C, H), i, f, o, g (C, 4H), tanh(c') (C, H).
"""

from numba import carray

from streamrnn.kernels.activations import sigmoid, tanh
from streamrnn.kernels.call import shift
from streamrnn.kernels.layer import C, H, I, backward_part, forward_part
from streamrnn.kernels.linalg import dots, fold, matvec, sums


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activations (4H)."""
    n, m, rows = shape[I], shape[H], shape[C]
    k = 4 * m
    W, U, b = carray(w, (n, k)), carray(shift(w, n * k), (m, k)), carray(shift(w, (n + m) * k), k)
    h, c = carray(state, m), carray(shift(state, m), m)
    xs, a = carray(x, n), carray(scratch, k)
    tx = carray(shift(tape, t * n), n)
    th = carray(shift(tape, rows * n + t * m), m)
    tc = carray(shift(tape, rows * (n + m) + t * m), m)
    gates = carray(shift(tape, rows * (n + 2 * m) + t * k), k)
    gi, gf, go, gg = gates[:m], gates[m : 2 * m], gates[2 * m : 3 * m], gates[3 * m :]
    tt = carray(shift(tape, rows * (n + 2 * m + k) + t * m), m)
    for j in range(k):
        a[j] = b[j]
    for i in range(n):
        tx[i] = xs[i]
    matvec(W, xs, a)
    matvec(U, h, a)
    ai, af, ao, ag = a[:m], a[m : 2 * m], a[2 * m : 3 * m], a[3 * m :]
    for j in range(m):
        gi[j], gf[j] = sigmoid(ai[j]), sigmoid(af[j])
        go[j], gg[j] = sigmoid(ao[j]), tanh(ag[j])
    for j in range(m):
        th[j] = h[j]
        tc[j] = c[j]
        c[j] = gf[j] * tc[j] + gi[j] * gg[j]
        tt[j] = tanh(c[j])
        h[j] = go[j] * tt[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: D (rows, 4H) deltas at the pre-activations, carry of h (H), carry of c (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 4 * m, last - first
    one = carray(w, 1).dtype.type(1)
    W, U = carray(w, (n, k)), carray(shift(w, n * k), (m, k))
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    Q = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + 2 * m) + first * k), (rows, k))
    T = carray(shift(tape, c * (n + 2 * m + k) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    D, dh = carray(scratch, (rows, k)), carray(shift(scratch, rows * k), m)
    dc = carray(shift(scratch, rows * k + m), m)
    dh[:] = 0
    dc[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        v, q, u = dY[t], Q[t], T[t]
        gi, gf = gates[t, :m], gates[t, m : 2 * m]
        go, gg = gates[t, 2 * m : 3 * m], gates[t, 3 * m :]
        di, df, do, dg = D[t, :m], D[t, m : 2 * m], D[t, 2 * m : 3 * m], D[t, 3 * m :]
        for j in range(m):
            i, f, o, y = gi[j], gf[j], go[j], gg[j]
            d = v[j] + dh[j]
            e = dc[j] + d * o * (one - u[j] * u[j])
            di[j] = e * y * i * (one - i)
            df[j] = e * q[j] * f * (one - f)
            do[j] = d * u[j] * o * (one - o)
            dg[j] = e * i * (one - y * y)
            dc[j] = e * f
        dh[:] = 0
        if K[t] != 0 and t > 0:
            dots(U, D[t], dh)
        else:
            dc[:] = 0
        dX[t] = 0
        dots(W, D[t], dX[t])
    fold(X, D, carray(g, (n, k)))
    fold(P, D, carray(shift(g, n * k), (m, k)))
    sums(D, carray(shift(g, (n + m) * k), k))
