"""Gated recurrent unit, reset before the product, as first published (Cho et al. 2014, eqs. 5 to 8).

    r = sigmoid(W_r' x + U_r' h + b_r)        z = sigmoid(W_z' x + U_z' h + b_z)
    q = r h                                   n = tanh(W_n' x + U_n' q + b_n)       h' = n + z (h - n)

The candidate waits for r, so its product cannot be joined with that of the gates: slower than gru.py, which is the
usual choice.

Parameters: W_r, W_z (I, 2H), W_n (I, H), U_r, U_z (H, 2H), U_n (H, H), b (3H). State: h (H).
Tape: x (C, I), h before the step (C, H), r, z (C, 2H), n (C, H), q (C, H).
"""

from numba import carray

from streamrnn.kernels.core.activations import sigmoid, tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part


@jit
def matrices(w, n, m):
    """W of the gates, W_n, U of the gates, U_n, b: views of parameters or of their gradient."""
    u = shift(w, n * 3 * m)
    return (
        carray(w, (n, 2 * m)),
        carray(shift(w, n * 2 * m), (n, m)),
        carray(u, (m, 2 * m)),
        carray(shift(u, m * 2 * m), (m, m)),
        carray(shift(u, m * 3 * m), 3 * m),
    )


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the pre-activations (3H)."""
    n, m, c = shape[I], shape[H], shape[C]
    W, V, U, R, b = matrices(w, n, m)
    h, xs = carray(state, m), carray(x, n)
    a, an = carray(scratch, 2 * m), carray(shift(scratch, 2 * m), m)
    tx = carray(shift(tape, t * n), n)
    th = carray(shift(tape, c * n + t * m), m)
    gates = carray(shift(tape, c * (n + m) + t * 2 * m), 2 * m)
    gr, gz = gates[:m], gates[m:]
    gn = carray(shift(tape, c * (n + 3 * m) + t * m), m)
    q = carray(shift(tape, c * (n + 4 * m) + t * m), m)
    bg, bn = b[: 2 * m], b[2 * m :]
    for i in range(n):
        tx[i] = xs[i]
    for j in range(2 * m):
        a[j] = bg[j]
    for j in range(m):
        an[j] = bn[j]
    matvec(W, xs, a)
    matvec(V, xs, an)
    matvec(U, h, a)
    for j in range(2 * m):
        gates[j] = sigmoid(a[j])
    for j in range(m):
        q[j] = gr[j] * h[j]
    matvec(R, q, an)
    for j in range(m):
        gn[j] = tanh(an[j])
        th[j] = h[j]
        h[j] = gn[j] + gz[j] * (th[j] - gn[j])


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: deltas of the gates (rows, 2H) and of the candidate (rows, H), that of q (H), carry (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    rows = last - first
    one = carray(w, 1).dtype.type(1)
    W, V, U, R, _ = matrices(w, n, m)
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + m) + first * 2 * m), (rows, 2 * m))
    N = carray(shift(tape, c * (n + 3 * m) + first * m), (rows, m))
    Q = carray(shift(tape, c * (n + 4 * m) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    A, B = carray(scratch, (rows, 2 * m)), carray(shift(scratch, rows * 2 * m), (rows, m))
    dq, carry = carray(shift(scratch, rows * 3 * m), m), carray(shift(scratch, (rows * 3 + 1) * m), m)
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        h, v, gn, bn = P[t], dY[t], N[t], B[t]
        gr, gz, ar, az = gates[t, :m], gates[t, m:], A[t, :m], A[t, m:]
        for j in range(m):
            d = v[j] + carry[j]
            bn[j] = d * (one - gz[j]) * (one - gn[j] * gn[j])
            az[j] = d * (h[j] - gn[j]) * gz[j] * (one - gz[j])
            carry[j] = d * gz[j]
            dq[j] = 0
        dots(R, bn, dq)
        for j in range(m):
            ar[j] = dq[j] * h[j] * gr[j] * (one - gr[j])
            carry[j] += dq[j] * gr[j]
        dots(U, A[t], carry)
        for j in range(m):
            carry[j] *= K[t]
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(W, A[t], dX[t])
            dots(V, bn, dX[t])
    gW, gV, gU, gR, gb = matrices(g, n, m)
    fold(X, A, gW)
    fold(X, B, gV)
    fold(P, A, gU)
    fold(Q, B, gR)
    sums(A, gb[: 2 * m])
    sums(B, gb[2 * m :])
