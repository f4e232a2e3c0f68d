"""Embedding: h = W' x, of inputs that are nearly all zero: a one-hot symbol picks its row of W, numbers add theirs.

Parameters: W (I, H). State: h (H), only so that the next layer finds it. Tape: x (C, I). What is zero costs a
comparison instead of a product; for a one-hot x this is the lookup table of Bengio et al. (2003), section 2.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.layers.contract import WANTED, H, I, backward_part, forward_part


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; needs no scratch."""
    n, m = shape[I], shape[H]
    W, h, xs = carray(w, (n, m)), carray(state, m), carray(x, n)
    tx = carray(shift(tape, t * n), n)
    h[:] = 0
    for i in range(n):
        v = xs[i]
        tx[i] = v
        if v != 0:
            row = W[i]
            for j in range(m):
                h[j] += v * row[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """g += x dy' for the inputs that are not zero; dx = W dy."""
    n, m, rows = shape[I], shape[H], last - first
    W, G = carray(w, (n, m)), carray(g, (n, m))
    X = carray(shift(tape, first * n), (rows, n))
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    for t in range(rows):
        d = dY[t]
        if shape[WANTED]:
            dX[t] = 0
            dots(W, d, dX[t])
        for i in range(n):
            v = X[t, i]
            if v != 0:
                row = G[i]
                for j in range(m):
                    row[j] += v * d[j]
