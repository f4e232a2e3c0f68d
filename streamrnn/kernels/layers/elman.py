"""Elman layer: h' = tanh(W' x + U' h + b) (Elman 1990).

Parameters: W (I, H), U (H, H), b (H). State: h (H). Tape: x (C, I), h before the step (C, H), h' (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import tanh_of
from streamrnn.kernels.core.call import at, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.core.simd import copy, each
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part

delta = each(lambda y, dy, carry: (dy + carry) * (1 - y * y))


@each
def advance(a, h):
    """h before, h' twice: on the tape and in the state."""
    y = tanh_of(a)
    return h, y, y


@jit
def params(shape, w):
    """W, U, b: views of parameters or of their gradient."""
    n, m = shape[I], shape[H]
    return carray(w, (n, m)), carray(shift(w, n * m), (m, m)), carray(shift(w, (n + m) * m), m)


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activation (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    W, U, b = params(shape, w)
    copy(n, x, shift(tape, t * n))
    copy(m, at(b, 0), scratch)
    matvec(W, carray(x, n), carray(scratch, m))
    matvec(U, carray(state, m), carray(scratch, m))
    advance(m, scratch, state, shift(tape, c * n + t * m), shift(tape, c * (n + m) + t * m), state)


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """delta = (dy + carry) (1 - h'^2); carry = keep U delta. Scratch: delta (rows, H), carry (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    rows = last - first
    (W, U, _), (gW, gU, gb) = params(shape, w), params(shape, g)
    D, dX = carray(scratch, (rows, m)), carray(dx, (rows, n))
    carry = carray(shift(scratch, rows * m), m)
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        kept = keep[first + t]
        delta(m, shift(tape, c * (n + m) + (first + t) * m), shift(dy, t * m), at(carry, 0), shift(scratch, t * m))
        carry[:] = 0
        if kept != 0 and t > 0:
            dots(U, D[t], carry)
        for j in range(m if kept != 1 else 0):
            carry[j] *= kept
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, D[t], dX[t])
    fold(carray(shift(tape, first * n), (rows, n)), D, gW)
    fold(carray(shift(tape, c * n + first * m), (rows, m)), D, gU)
    sums(D, gb)
