"""Linear recurrent unit: K = H / 2 complex numbers z that turn and shrink, each on its own (Orvieto et al. 2023).

    z' = l z + g B' x        l = exp(-exp(nu) + i theta)        g = sqrt(1 - |l|^2)        h = (Re z', Im z')

|l| < 1 whatever nu is, so the recurrence cannot explode (eq. 7 there); g keeps the size of z independent of |l| (sec.
3.4). g follows |l| and is not a parameter of its own: in real numbers this is the recurrent trace unit of Elelimy et
al. (2024, eqs. 4 to 6) without its output function. No output matrix either: a `dense` layer above is one, of Re z and
Im z, and brings the nonlinearity. Nothing but z itself is carried from row to row, so exact RTRL needs per parameter
one complex trace (Zucchet et al. 2023): `polar` and `pull` are the two maps it shares with this layer.

Parameters: B (I, H), columns Re B (K) then Im B (K); nu (K); theta (K). State: Re z (K), Im z (K).
Tape: x (C, I), z before the step (C, H), B' x (C, H).
nu counts from LEAST (a memory of 160,000 rows) to MOST (none): beyond, nothing pushes it further out.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec
from streamrnn.kernels.layers.contract import WANTED, C, H, I, backward_part, forward_part

LEAST, MOST = -12.0, 3.0


@jit
def polar(nu, theta):
    """Re l, Im l and g of one unit, in its own precision."""
    t = type(nu)
    rate = math.exp(min(max(nu, t(LEAST)), t(MOST)))
    size = math.exp(-rate)
    return size * math.cos(theta), size * math.sin(theta), math.sqrt(-math.expm1(-(rate + rate)))


@jit
def pull(nu, theta, da, db, dg):
    """Gradient by nu and theta from that by Re l, Im l and g."""
    t = type(nu)
    a, b, g = polar(nu, theta)
    rate = math.exp(min(max(nu, t(LEAST)), t(MOST)))
    by_nu = rate * (dg * (a * a + b * b) / g - (a * da + b * db))
    outward = (nu <= t(LEAST) and by_nu > 0) or (nu >= t(MOST) and by_nu < 0)
    return t(0) if outward else by_nu, a * db - b * da


@jit
def params(shape, w):
    """B, nu, theta: views of parameters or of their gradient."""
    n, m = shape[I], shape[H]
    k = m // 2
    return carray(w, (n, m)), carray(shift(w, n * m), k), carray(shift(w, n * m + k), k)


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; no scratch."""
    n, m, c = shape[I], shape[H], shape[C]
    k = m // 2
    B, nu, theta = params(shape, w)
    xs, re, im = carray(x, n), carray(state, k), carray(shift(state, k), k)
    tx = carray(shift(tape, t * n), n)
    before = shift(tape, c * n + t * m)
    tre, tim = carray(before, k), carray(shift(before, k), k)
    product = shift(tape, c * (n + m) + t * m)
    v, vre, vim = carray(product, m), carray(product, k), carray(shift(product, k), k)
    for i in range(n):
        tx[i] = xs[i]
    for j in range(m):
        v[j] = 0
    matvec(B, xs, v)
    for j in range(k):
        a, b, g = polar(nu[j], theta[j])
        p, q = re[j], im[j]
        tre[j], tim[j] = p, q
        re[j] = a * p - b * q + g * vre[j]
        im[j] = a * q + b * p + g * vim[j]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """carry = keep conj(l) d; by l: conj(z) d; by g: Re(conj(B' x) d). Scratch: g d (rows, H), then per unit carry,
    l, g and the gradients by l and by g."""
    n, m, c = shape[I], shape[H], shape[C]
    k, rows = m // 2, last - first
    (B, nu, theta), (gB, gnu, gtheta) = params(shape, w), params(shape, g)
    X = carray(shift(tape, first * n), (rows, n))
    Z = carray(shift(tape, c * n + first * m), (rows, m))
    V = carray(shift(tape, c * (n + m) + first * m), (rows, m))
    K = carray(shift(keep, first), rows)
    dY, dX, D = carray(dy, (rows, m)), carray(dx, (rows, n)), carray(scratch, (rows, m))
    own = carray(shift(scratch, rows * m), (8, k))
    cre, cim, a, b, size, da, db, ds = own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7]
    own[:] = 0
    for j in range(k):
        a[j], b[j], size[j] = polar(nu[j], theta[j])
    for s in range(rows):
        t = rows - 1 - s
        yre, yim, zre, zim = dY[t, :k], dY[t, k:], Z[t, :k], Z[t, k:]
        vre, vim, dre, dim = V[t, :k], V[t, k:], D[t, :k], D[t, k:]
        kept = K[t]
        for j in range(k):
            p, q = yre[j] + cre[j], yim[j] + cim[j]
            da[j] += p * zre[j] + q * zim[j]
            db[j] += q * zre[j] - p * zim[j]
            ds[j] += p * vre[j] + q * vim[j]
            dre[j], dim[j] = size[j] * p, size[j] * q
            cre[j] = kept * (a[j] * p + b[j] * q)
            cim[j] = kept * (a[j] * q - b[j] * p)
        if shape[WANTED] != 0:
            dX[t] = 0
            dots(B, D[t], dX[t])
    fold(X, D, gB)
    for j in range(k):
        by_nu, by_theta = pull(nu[j], theta[j], da[j], db[j], ds[j])
        gnu[j] += by_nu
        gtheta[j] += by_theta
