"""Attention read-out: the input, which is the state of the layer below, beside a mean of its last M values that are
like it (Luong, Pham, Manning 2015: eq. 8 "general" for the scores, eq. 5 for the output).

    q = A' x[t]        e_k = q x[t - k] / sqrt(I) + r_k, k < M        a = softmax(e)        s = sum a_k x[t - k]
    h = tanh(V' s + W' x[t] + b)

r, a learned preference for each lag, tells the places apart (as in Raffel et al. 2020, section 2.1). The last M - 1
values are carried in a shift register, with a presence that is 0 where there was none yet and fades in a long silence;
it multiplies the weights before they are made to sum to 1.

Parameters: A (I, I), r (M), V (I, H), W (I, H), b (H). State: h (H), register (M - 1, I), presence (M - 1).
Tape: window (C, M, I), x (C, I), s (C, I), a (C, M), q (C, I), h (C, H).
"""

import math

from numba import carray

from streamrnn.kernels.core.activations import tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import C, H, I, M, backward_part, forward_part


@jit
def matrices(w, n, m, k):
    """A, r, V, W, b: views of parameters or of their gradient."""
    v = shift(w, n * n + k)
    return (
        carray(w, (n, n)),
        carray(shift(w, n * n), k),
        carray(v, (n, m)),
        carray(shift(v, n * m), (n, m)),
        carray(shift(v, 2 * n * m), m),
    )


@jit
def blocks(tape, n, m, k, c, t, rows):
    """Rows t.. of the tape: windows, x, s, a, q, h."""
    room = shift(tape, c * n * k)
    return (
        carray(shift(tape, t * n * k), (rows, k, n)),
        carray(shift(room, t * n), (rows, n)),
        carray(shift(room, (c + t) * n), (rows, n)),
        carray(shift(room, 2 * c * n + t * k), (rows, k)),
        carray(shift(room, 2 * c * n + c * k + t * n), (rows, n)),
        carray(shift(room, 3 * c * n + c * k + t * m), (rows, m)),
    )


@jit
def copy(a, b):
    """b = a; slices would be compiled as broadcasts."""
    for i in range(len(b)):
        b[i] = a[i]


@jit
def remember(x, register, presence, window, share):
    """Move the register on by x (I); window (M, I) and share (M) get what was there, x first."""
    k = len(share)
    copy(x, window[0])
    share[0] = 1
    for s in range(1, k):
        copy(register[s - 1], window[s])
        share[s] = presence[s - 1]
    for s in range(k - 1):
        copy(window[s], register[s])
        presence[s] = share[s]


@jit
def weigh(scores, share):
    """share (M) becomes its own multiple of e^scores that sums to 1."""
    top, total = scores[0], scores.dtype.type(0)
    for s in range(len(scores)):
        if share[s] > 0 and scores[s] > top:
            top = scores[s]
    for s in range(len(scores)):
        if share[s] > 0:
            share[s] *= math.exp(scores[s] - top)
        total += share[s]
    for s in range(len(scores)):
        share[s] /= total


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the scores (M) and the sums (H)."""
    n, m, c, k = shape[I], shape[H], shape[C], shape[M]
    A, r, V, W, b = matrices(w, n, m, k)
    windows, xs, means, shares, queries, outs = blocks(tape, n, m, k, c, t, 1)
    window, x0, mean, share, q, y = windows[0], xs[0], means[0], shares[0], queries[0], outs[0]
    h = carray(state, m)
    register, presence = carray(shift(state, m), (k - 1, n)), carray(shift(state, m + (k - 1) * n), k - 1)
    scores, a = carray(scratch, k), carray(shift(scratch, k), m)
    remember(carray(x, n), register, presence, window, share)
    copy(window[0], x0)
    q[:] = 0
    matvec(A, x0, q)
    root = A.dtype.type(1.0 / math.sqrt(n))
    for s in range(k):
        scores[s] = 0
    dots(window, q, scores)
    for s in range(k):
        scores[s] = scores[s] * root + r[s]
    weigh(scores, share)
    mean[:] = 0
    matvec(window, share, mean)
    copy(b, a)
    matvec(V, mean, a)
    matvec(W, x0, a)
    for j in range(m):
        y[j] = tanh(a[j])
        h[j] = y[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: delta (rows, H), that of q (rows, I), of the window (M, I), of the weights (M), of s (I), carry."""
    n, m, c, k, rows = shape[I], shape[H], shape[C], shape[M], last - first
    A, _, V, W, _ = matrices(w, n, m, k)
    gA, gr, gV, gW, gb = matrices(g, n, m, k)
    windows, X, S, shares, Q, Y = blocks(tape, n, m, k, c, first, rows)
    K, dY, dX = carray(shift(keep, first), rows), carray(dy, (rows, m)), carray(dx, (rows, n))
    D, dQ = carray(scratch, (rows, m)), carray(shift(scratch, rows * m), (rows, n))
    room = shift(scratch, rows * (m + n))
    dwindow, de = carray(room, (k, n)), carray(shift(room, k * n), k)
    ds, carry = carray(shift(room, k * n + k), n), carray(shift(room, k * n + k + n), (k, n))
    one, root = A.dtype.type(1), A.dtype.type(1.0 / math.sqrt(n))
    carry[:] = 0
    for back in range(rows):
        t = rows - 1 - back
        window, share, d, v, y = windows[t], shares[t], D[t], dY[t], Y[t]
        for j in range(m):
            d[j] = v[j] * (one - y[j] * y[j])
        ds[:] = 0
        de[:] = 0
        dQ[t] = 0
        dots(V, d, ds)
        dots(window, ds, de)
        mean = A.dtype.type(0)
        for s in range(k):
            mean += share[s] * de[s]
        for s in range(k):
            de[s] = share[s] * (de[s] - mean)
            gr[s] += de[s]
            de[s] *= root
        matvec(window, de, dQ[t])
        for s in range(k):
            row, later, q = dwindow[s], carry[s], Q[t]
            for i in range(n):
                row[i] = share[s] * ds[i] + de[s] * q[i] + later[i]
        dots(W, d, dwindow[0])
        dots(A, dQ[t], dwindow[0])
        copy(dwindow[0], dX[t])
        for s in range(k - 1):
            row, past = carry[s], dwindow[s + 1]
            for i in range(n):
                row[i] = K[t] * past[i]
    fold(X, dQ, gA)
    fold(S, D, gV)
    fold(X, D, gW)
    sums(D, gb)
