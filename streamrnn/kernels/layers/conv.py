"""Causal convolution over time: h = tanh(sum over k < M of W_k' x[t - k] + b), one step at a time.

The last M - 1 inputs are carried in a shift register, the newest first. (A ring would need its place in the state,
which fades in a long silence; and moving a few inputs costs less than the product.) The register fades too, so inputs
from before a silence count for less.

Parameters: W (M, I, H), b (H). State: h (H), register (M - 1, I).
Tape: the window x[t], .., x[t - M + 1] (C, M, I), h (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import C, H, I, M, backward_part, forward_part


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the sums (H)."""
    n, m, c, k = shape[I], shape[H], shape[C], shape[I] * shape[M]
    W, b = carray(w, (k, m)), carray(shift(w, k * m), m)
    h, register, xs = carray(state, m), carray(shift(state, m), k - n), carray(x, n)
    window, ty = carray(shift(tape, t * k), k), carray(shift(tape, c * k + t * m), m)
    a, past = carray(scratch, m), carray(shift(tape, t * k + n), k - n)
    for i in range(n):
        window[i] = xs[i]
    for i in range(k - n):
        past[i] = register[i]
    for i in range(k - n):
        register[i] = window[i]
    for j in range(m):
        a[j] = b[j]
    matvec(W, window, a)
    for j in range(m):
        ty[j] = tanh(a[j])
        h[j] = ty[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """The register backwards: what a row owes to its past is carried to the row before. Scratch: delta (rows, H),
    gradient at the window (M, I), carry (M - 1, I)."""
    n, m, c, k = shape[I], shape[H], shape[C], shape[I] * shape[M]
    rows = last - first
    W = carray(w, (k, m))
    one = W.dtype.type(1)
    windows, Y = carray(shift(tape, first * k), (rows, k)), carray(shift(tape, c * k + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX, D = carray(dy, (rows, m)), carray(dx, (rows, n)), carray(scratch, (rows, m))
    room = shift(scratch, rows * m)
    window, carry = carray(room, k), carray(shift(room, k), k - n)
    newest, past = carray(room, n), carray(shift(room, n), k - n)
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        d, y, v, out = D[t], Y[t], dY[t], dX[t]
        for j in range(m):
            d[j] = v[j] * (one - y[j] * y[j])
        window[:] = 0
        dots(W, d, window)
        for i in range(k - n):
            window[i] += carry[i]
        for i in range(n):
            out[i] = newest[i]
        for i in range(k - n):
            carry[i] = K[t] * past[i]
    fold(windows, D, carray(g, (k, m)))
    sums(D, carray(shift(g, k * m), m))
