"""Gated recurrent unit, reset after the product (Cho et al. 2014 eqs. 5-8, in the variant of cuDNN).

    r = sigmoid(W_r' x + U_r' h + b_r)        z = sigmoid(W_z' x + U_z' h + b_z)
    m = U_n' h + c                            n = tanh(W_n' x + b_n + r m)          h' = n + z (h - n)

Parameters: W (I, 3H), U (H, 3H), b (3H), c (H); gates in the order r, z, n. State: h (H).
Tape: x (C, I), h before the step (C, H), r, z, n (C, 3H), m (C, H).
"""

from numba import carray

from streamrnn.kernels.activations import sigmoid, tanh
from streamrnn.kernels.call import shift
from streamrnn.kernels.layer import C, H, I, backward_part, forward_part
from streamrnn.kernels.linalg import dots, fold, matvec, sums


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the products with x (3H) and with h (3H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k = 3 * m
    W, U = carray(w, (n, k)), carray(shift(w, n * k), (m, k))
    b, bm = carray(shift(w, (n + m) * k), k), carray(shift(w, (n + m + 1) * k), m)
    h, xs = carray(state, m), carray(x, n)
    a, u = carray(scratch, k), carray(shift(scratch, k), k)
    ar, az, an = a[:m], a[m : 2 * m], a[2 * m :]
    ur, uz, un = u[:m], u[m : 2 * m], u[2 * m :]
    tx = carray(shift(tape, t * n), n)
    th = carray(shift(tape, c * n + t * m), m)
    gates = carray(shift(tape, c * (n + m) + t * k), k)
    gr, gz, gn = gates[:m], gates[m : 2 * m], gates[2 * m :]
    tm = carray(shift(tape, c * (n + m + k) + t * m), m)
    for j in range(k):
        a[j] = b[j]
        u[j] = 0
    for i in range(n):
        tx[i] = xs[i]
    matvec(W, xs, a)
    matvec(U, h, u)
    for j in range(m):
        tm[j] = un[j] + bm[j]
        gr[j] = sigmoid(ar[j] + ur[j])
        gz[j] = sigmoid(az[j] + uz[j])
    for j in range(m):
        gn[j] = tanh(an[j] + gr[j] * tm[j])
        th[j] = h[j]
        h[j] = gn[j] + gz[j] * (th[j] - gn[j])


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: A (rows, 3H) deltas at the sums with x, B (rows, 3H) deltas at the products with h, carry (H)."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = 3 * m, last - first
    one = carray(w, 1).dtype.type(1)
    W, U = carray(w, (n, k)), carray(shift(w, n * k), (m, k))
    X = carray(shift(tape, first * n), (rows, n))
    P = carray(shift(tape, c * n + first * m), (rows, m))
    gates = carray(shift(tape, c * (n + m) + first * k), (rows, k))
    M = carray(shift(tape, c * (n + m + k) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX = carray(dy, (rows, m)), carray(dx, (rows, n))
    A, B = carray(scratch, (rows, k)), carray(shift(scratch, rows * k), (rows, k))
    carry = carray(shift(scratch, 2 * rows * k), m)
    carry[:] = 0
    for s in range(rows):
        t = rows - 1 - s
        h, mt, v = P[t], M[t], dY[t]
        gr, gz, gn = gates[t, :m], gates[t, m : 2 * m], gates[t, 2 * m :]
        ar, az, an = A[t, :m], A[t, m : 2 * m], A[t, 2 * m :]
        br, bz, bn = B[t, :m], B[t, m : 2 * m], B[t, 2 * m :]
        for j in range(m):
            r, z, q = gr[j], gz[j], gn[j]
            d = v[j] + carry[j]
            dn = d * (one - z) * (one - q * q)
            dr = dn * mt[j] * r * (one - r)
            dz = d * (h[j] - q) * z * (one - z)
            ar[j], az[j], an[j] = dr, dz, dn
            br[j], bz[j], bn[j] = dr, dz, dn * r
            carry[j] = d * z
        if K[t] != 0 and t > 0:
            dots(U, B[t], carry)
        else:
            carry[:] = 0
        dX[t] = 0
        dots(W, A[t], dX[t])
    fold(X, A, carray(g, (n, k)))
    fold(P, B, carray(shift(g, n * k), (m, k)))
    sums(A, carray(shift(g, (n + m) * k), k))
    sums(B[:, 2 * m :], carray(shift(g, (n + m + 1) * k), m))
