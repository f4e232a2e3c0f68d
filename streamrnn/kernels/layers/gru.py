"""Gated recurrent unit, reset after the product (Cho et al. 2014 eqs. 5-8, in the variant of cuDNN).

    r = sigmoid(W_r' x + U_r' h + b_r)        z = sigmoid(W_z' x + U_z' h + b_z)
    m = U_n' h + c                            n = tanh(W_n' x + b_n + r m)          h' = n + z (h - n)

Parameters: W (I, 3H), U (H, 3H), b (3H), c (H); gates in the order r, z, n. State: h (H).
Tape: x (C, I), h before the step (C, H), r, z, n (C, 3H), m (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import sigmoid_each, tanh_of
from streamrnn.kernels.core.call import at, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.core.simd import copy, each
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part

candidate = each(lambda r, a, m: (m, tanh_of(a + r * m)))
blend = each(lambda n, z, h: (h, n + z * (h - n)))


@each
def deltas(r, z, n, m, h, dy, carry):
    """At the sums with x, at the products with h, and what h itself carries back."""
    d = dy + carry
    dn = d * (1 - z) * (1 - n * n)
    dr = dn * m * r * (1 - r)
    dz = d * (h - n) * z * (1 - z)
    return dr, dz, dn, dr, dz, dn * r, d * z


@jit
def params(shape, w):
    """W, U, b, c: views of parameters or of their gradient."""
    n, m = shape[I], shape[H]
    k = 3 * m
    last = shift(w, (n + m) * k)
    return carray(w, (n, k)), carray(shift(w, n * k), (m, k)), carray(last, k), carray(shift(last, k), m)


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the sums with x (3H) and with h (3H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k = 3 * m
    W, U, b, of_product = params(shape, w)
    a, u = scratch, shift(scratch, k)
    gates, tm = shift(tape, c * (n + m) + t * k), shift(tape, c * (n + m + k) + t * m)
    copy(n, x, shift(tape, t * n))
    copy(k, at(b, 0), a)
    matvec(W, carray(x, n), carray(a, k))
    copy(2 * m, a, u)
    copy(m, at(of_product, 0), shift(u, 2 * m))
    matvec(U, carray(state, m), carray(u, k))
    sigmoid_each(2 * m, u, gates)
    candidate(m, gates, shift(a, 2 * m), shift(u, 2 * m), tm, shift(gates, 2 * m))
    blend(m, shift(gates, 2 * m), shift(gates, m), state, shift(tape, c * n + t * m), state)


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: A (rows, 3H) deltas at the sums with x, B (rows, 3H) deltas at the products with h, carry (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 3 * m, last - first
    (W, U, _, _), (gW, gU, gb, gc) = params(shape, w), params(shape, g)
    A, B = carray(scratch, (rows, k)), carray(shift(scratch, rows * k), (rows, k))
    carry, dX = carray(shift(scratch, 2 * rows * k), m), carray(dx, (rows, n))
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        gates, a, b = shift(tape, c * (n + m) + (first + t) * k), shift(scratch, t * k), shift(scratch, (rows + t) * k)
        kept = keep[first + t]
        deltas(
            m, gates, shift(gates, m), shift(gates, 2 * m), shift(tape, c * (n + m + k) + (first + t) * m),
            shift(tape, c * n + (first + t) * m), shift(dy, t * m), at(carry, 0),
            a, shift(a, m), shift(a, 2 * m), b, shift(b, m), shift(b, 2 * m), at(carry, 0),
        )  # fmt: skip
        if kept != 0 and t > 0:
            dots(U, B[t], carry)
        for j in range(m if kept != 1 else 0):
            carry[j] *= kept
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, A[t], dX[t])
    fold(carray(shift(tape, first * n), (rows, n)), A, gW)
    fold(carray(shift(tape, c * n + first * m), (rows, m)), B, gU)
    sums(A, gb)
    sums(B[:, 2 * m :], gc)
