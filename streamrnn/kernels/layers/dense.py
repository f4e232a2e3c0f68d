"""Dense layer: h = f(W' x + b), f is tanh, max(0, .) or nothing, as M says. Nothing is carried from row to row.

Parameters: W (I, H), b (H). State: h (H), the output alone. Tape: x (C, I), h (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import WANTED, C, H, I, M, backward_part, forward_part

TANH, RELU, LINEAR = 0, 1, 2


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the sums (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    W, b = carray(w, (n, m)), carray(shift(w, n * m), m)
    h, xs, a = carray(state, m), carray(x, n), carray(scratch, m)
    tx, ty = carray(shift(tape, t * n), n), carray(shift(tape, c * n + t * m), m)
    for i in range(n):
        tx[i] = xs[i]
    for j in range(m):
        a[j] = b[j]
    matvec(W, xs, a)
    if shape[M] == TANH:
        for j in range(m):
            ty[j] = tanh(a[j])
    else:
        least = a.dtype.type(0)
        for j in range(m):
            ty[j] = a[j] if shape[M] == LINEAR or not a[j] < least else least  # NaN passes
    for j in range(m):
        h[j] = ty[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """delta = dy f'. Scratch: delta (rows, H)."""
    n, m, c = shape[I], shape[H], shape[C]
    rows = last - first
    W = carray(w, (n, m))
    one, zero = W.dtype.type(1), W.dtype.type(0)
    X, Y = carray(shift(tape, first * n), (rows, n)), carray(shift(tape, c * n + first * m), (rows, m))
    dY, dX, D = carray(dy, (rows, m)), carray(dx, (rows, n)), carray(scratch, (rows, m))
    for t in range(rows):
        d, y, v = D[t], Y[t], dY[t]
        if shape[M] == TANH:
            for j in range(m):
                d[j] = v[j] * (one - y[j] * y[j])
        else:
            for j in range(m):
                d[j] = v[j] if shape[M] == LINEAR or y[j] > zero else zero
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, d, dX[t])
    fold(X, D, carray(g, (n, m)))
    sums(D, carray(shift(g, n * m), m))
