"""Long short-term memory with forget gate (Gers, Schmidhuber, Cummins 2000, without peepholes).

    i, f, o = sigmoid(W' x + U' h + b)        g = tanh(W_g' x + U_g' h + b_g)
    c' = f c + i g                            h' = o tanh(c')

Parameters: W (I, 4H), U (H, 4H), b (4H); gates in the order i, f, o, g. State: h (H), c (H).
Tape: x (C, I), h before the step (C, H), c before the step (C, H), i, f, o, g (C, 4H), tanh(c') (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import sigmoid_each, tanh_each, tanh_of
from streamrnn.kernels.core.call import at, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.core.simd import copy, each
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part


@each
def advance(i, f, o, g, c):
    """c before, c', tanh(c'), h'."""
    new = f * c + i * g
    u = tanh_of(new)
    return c, new, u, o * u


@each
def deltas(i, f, o, g, c, u, dy, dh, dc):
    """At the pre-activations, and what c itself carries back; u is tanh(c')."""
    d = dy + dh
    e = dc + d * o * (1 - u * u)
    return e * g * i * (1 - i), e * c * f * (1 - f), d * u * o * (1 - o), e * i * (1 - g * g), e * f


@jit
def params(shape, w):
    """W, U, b: views of parameters or of their gradient."""
    n, m = shape[I], shape[H]
    k = 4 * m
    return carray(w, (n, k)), carray(shift(w, n * k), (m, k)), carray(shift(w, (n + m) * k), k)


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activations (4H)."""
    n, m, rows = shape[I], shape[H], shape[C]
    k = 4 * m
    W, U, b = params(shape, w)
    gates, c = shift(tape, rows * (n + 2 * m) + t * k), shift(state, m)
    copy(n, x, shift(tape, t * n))
    copy(m, state, shift(tape, rows * n + t * m))
    copy(k, at(b, 0), scratch)
    matvec(W, carray(x, n), carray(scratch, k))
    matvec(U, carray(state, m), carray(scratch, k))
    sigmoid_each(3 * m, scratch, gates)
    tanh_each(m, shift(scratch, 3 * m), shift(gates, 3 * m))
    advance(
        m, gates, shift(gates, m), shift(gates, 2 * m), shift(gates, 3 * m), c,
        shift(tape, rows * (n + m) + t * m), c, shift(tape, rows * (n + 2 * m + k) + t * m), state,
    )  # fmt: skip


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: D (rows, 4H) deltas at the pre-activations, carry of h (H), carry of c (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 4 * m, last - first
    (W, U, _), (gW, gU, gb) = params(shape, w), params(shape, g)
    D, dX = carray(scratch, (rows, k)), carray(dx, (rows, n))
    dh, dc = carray(shift(scratch, rows * k), m), carray(shift(scratch, rows * k + m), m)
    dh[:] = 0
    dc[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        gates, d, kept = shift(tape, c * (n + 2 * m) + (first + t) * k), shift(scratch, t * k), keep[first + t]
        deltas(
            m, gates, shift(gates, m), shift(gates, 2 * m), shift(gates, 3 * m),
            shift(tape, c * (n + m) + (first + t) * m), shift(tape, c * (n + 2 * m + k) + (first + t) * m),
            shift(dy, t * m), at(dh, 0), at(dc, 0),
            d, shift(d, m), shift(d, 2 * m), shift(d, 3 * m), at(dc, 0),
        )  # fmt: skip
        dh[:] = 0
        if kept != 0 and t > 0:
            dots(U, D[t], dh)
        for j in range(m if kept != 1 else 0):
            dh[j] *= kept
            dc[j] *= kept
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, D[t], dX[t])
    fold(carray(shift(tape, first * n), (rows, n)), D, gW)
    fold(carray(shift(tape, c * n + first * m), (rows, m)), D, gU)
    sums(D, gb)
