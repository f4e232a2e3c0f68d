"""Elman layer: h' = tanh(W' x + U' h + b) (Elman 1990).

Parameters: W (I, H), U (H, H), b (H). State: h (H). Tape: x (C, I), h before the step (C, H), h' (C, H).
"""

from numba import carray

from streamrnn.kernels.activations import tanh
from streamrnn.kernels.call import shift
from streamrnn.kernels.layer import C, H, I, backward_part, forward_part
from streamrnn.kernels.linalg import dots, fold, matvec, sums


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activation (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    W, U, b = carray(w, (n, m)), carray(shift(w, n * m), (m, m)), carray(shift(w, n * m + m * m), m)
    h, xs, a = carray(state, m), carray(x, n), carray(scratch, m)
    tx = carray(shift(tape, t * n), n)
    th = carray(shift(tape, c * n + t * m), m)
    ty = carray(shift(tape, c * (n + m) + t * m), m)
    for j in range(m):
        a[j] = b[j]
    for i in range(n):
        tx[i] = xs[i]
    matvec(W, xs, a)
    matvec(U, h, a)
    for j in range(m):
        th[j] = h[j]
        y = tanh(a[j])
        ty[j] = y
        h[j] = y


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """delta = (dy + carry) (1 - h'^2); carry = U delta. Scratch: delta (rows, H), carry (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    rows = last - first
    one = carray(w, 1).dtype.type(1)
    W, U = carray(w, (n, m)), carray(shift(w, n * m), (m, m))
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    Y = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    D, carry = carray(scratch, (rows, m)), carray(shift(scratch, rows * m), m)
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        d, y, v = D[t], Y[t], dY[t]
        for j in range(m):
            d[j] = (v[j] + carry[j]) * (one - y[j] * y[j])
        carry[:] = 0
        if K[t] != 0 and t > 0:
            dots(U, d, carry)
        dX[t] = 0
        dots(W, d, dX[t])
    fold(X, D, carray(g, (n, m)))
    fold(P, D, carray(shift(g, n * m), (m, m)))
    sums(D, carray(shift(g, n * m + m * m), m))
