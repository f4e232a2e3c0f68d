"""Recursive least squares with exponential forgetting, one gain for all horizons.

    u = P x      d = lambda + x' u      k = u / d      P <- (P - u u' / d) / lambda      w_h <- w_h + k_s (z - w_h' x_s)

(Haykin, Adaptive Filter Theory, 4th ed., table 9.1.) P needs no label, so x_s and k_s are kept until the answer of
row s comes at horizon h, and every label is used the moment it arrives: delayed RLS, exact.

P is symmetric and stored as its upper part in blocks of four rows: block b holds four contiguous rows of columns
4 b.. n, with all of its 4 x 4 diagonal block. The correction of one row is applied when the next row's u is worked
out: one pass over half of the matrix instead of two over all of it. Both halves of a diagonal block are made by the
same products and stay equal to the bit; nothing else is stored twice, so P cannot become asymmetric.

A direction that is never excited would grow by 1 / lambda for ever: a diagonal element above LARGEST is halved with
its row and column (a congruence: P stays positive definite, the others keep their memory). When rounding has made
d < lambda, or anything is not finite, the expert starts again from P = FIRST I.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import seasons
from streamrnn.kernels.experts.naive import forecast_part, hasten_part, settle_part

FIRST = 0.3
LARGEST = 1e4
HALF = math.sqrt(0.5)
SLOW = 0.02
MEMORY = 50.0  # values that count after a drift: P is what it would be after so many
MOST = 100.0  # times P, at once
BEYOND = 0.5  # of the range of what a row sees of its target: further out lies no forecast,
FURTHER = 2.0  # and so far with what all features show: they may drive it to where it never was


@jit
def length(n):
    """Numbers that P takes, n a multiple of 4."""
    blocks = n // 4
    return 4 * (n * blocks - 2 * blocks * (blocks - 1))


@jit
def block(P, n, b):
    """Pointer to block b, four rows of n - 4 b numbers."""
    return shift(P, 4 * (n * b - 2 * b * (b - 1)))


@jit
def start(P, n, c):
    """P = FIRST I, no correction waiting."""
    carray(P, length(n))[:] = 0.0
    c[:] = 0.0
    for i in range(n):
        b, r = i // 4, i % 4
        carray(block(P, n, b), 4 * (n - 4 * b))[r * (n - 4 * b) + r] = FIRST


@jit
def product(P, n, c, x, y, grow):
    """P <- grow P - c c', then y = P x: one pass, four rows at a time."""
    y[:] = 0.0
    for b in range(n // 4):
        i, m = 4 * b, n - 4 * b
        R = carray(block(P, n, b), (4, m))
        r0, r1, r2, r3 = R[0], R[1], R[2], R[3]
        v, z, w = c[i:], x[i:], y[i:]
        c0, c1, c2, c3 = v[0], v[1], v[2], v[3]
        x0, x1, x2, x3 = z[0], z[1], z[2], z[3]
        y0, y1, y2, y3 = w[0], w[1], w[2], w[3]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for j in range(m):
            vj, zj = v[j], z[j]
            p0 = grow * r0[j] - c0 * vj
            p1 = grow * r1[j] - c1 * vj
            p2 = grow * r2[j] - c2 * vj
            p3 = grow * r3[j] - c3 * vj
            r0[j], r1[j], r2[j], r3[j] = p0, p1, p2, p3
            s0 += p0 * zj
            s1 += p1 * zj
            s2 += p2 * zj
            s3 += p3 * zj
            w[j] += (p0 * x0 + p1 * x1) + (p2 * x2 + p3 * x3)
        w[0], w[1], w[2], w[3] = y0 + s0, y1 + s1, y2 + s2, y3 + s3


@jit
def shrink(P, n, c):
    """Halve every diagonal element above LARGEST with its row and column, and its part in the waiting correction."""
    for b in range(n // 4):
        m = n - 4 * b
        for r in range(4):
            if block(P, n, b)[r * m + r] > LARGEST:
                i = 4 * b + r
                c[i] *= HALF
                for a in range(b + 1):
                    o = n - 4 * a
                    R = carray(block(P, n, a), (4, o))
                    for q in range(4):
                        R[q, i - 4 * a] *= HALF
                R = carray(block(P, n, b), (4, m))
                for j in range(m):
                    R[r, j] *= HALF


@jit
def gain(P, n, c, x, k, forget):
    """k (n) of one row x; c (n) is the correction of P that waits for the next row. Returns whether all went well."""
    product(P, n, c, x, k, 1.0 / forget)
    d = forget
    for i in range(n):
        d += k[i] * x[i]
    if not forget <= d < math.inf:
        start(P, n, c)
        k[:] = 0.0
        return False
    root, share = 1.0 / math.sqrt(forget * d), 1.0 / d
    for i in range(n):
        c[i] = root * k[i]
        k[i] *= share
    shrink(P, n, c)
    return True


@jit
def dot(a, b):
    """Inner product over the length of a."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@settle_part
def settle(shape, reals, state, past, history, k, y, anchor, time, step):
    """Correct the weights of horizon k by the answer to row `step`. Reals: lambda, and where errors are clipped.

    Shape: K, n, 1 in roots. State: P, c (n), usual error per horizon (K), w (K, n), gains of the kept rows (ROWS, n).
    With a clip, errors count up to so many usual ones (Huber 1964): fewer large errors, a few more small ones.
    """
    horizons, n = shape[0], shape[1]
    row = seasons.kept(past, history, shape[2], step)
    scale = abs(row[past[seasons.REGRESSORS]])
    if not scale > 0.0:
        return
    usual, rooted = shift(state, length(n) + n), shape[2] == 1 and row[past[seasons.REGRESSORS]] > 0.0
    w = carray(shift(usual, horizons + k * n), n)
    k_s = carray(shift(usual, horizons + (horizons + step % past[seasons.ROWS]) * n), n)
    change = seasons.root(y) - seasons.root(anchor) if rooted else y - anchor
    e = min(max(change / scale, -seasons.REACH), seasons.REACH) - dot(w, row)
    if reals[1] > 0.0:
        size = abs(e)
        bound = reals[1] * usual[k]
        usual[k] += SLOW * (size - usual[k]) if bound > 0.0 else size
        e = min(max(e, -bound), bound) if bound > 0.0 else e
    for i in range(n):
        w[i] += e * k_s[i]


@forecast_part
def forecast(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """Last value plus w_h' x; also this row's gain, 0 without `learn`. The last value alone until there is a scale.

    A forecast stays near the range of the target's own values and levels in x: after a burst, weights that rest on few
    rows would send it anywhere.
    """
    horizons, n = shape[0], shape[1]
    f = carray(out, horizons)
    row = seasons.kept(past, history, shape[2], step)
    signed = row[past[seasons.REGRESSORS]]
    scale, rooted = abs(signed), shape[2] == 1 and signed > 0.0
    c = carray(shift(state, length(n)), n)
    usual = shift(state, length(n) + n)
    if not scale > 0.0:
        f[:] = last
        return
    if state[0] == 0.0:
        start(state, n, c)
    x, W = row[:n], carray(shift(usual, horizons), (horizons, n))
    k = carray(shift(usual, horizons + (horizons + step % past[seasons.ROWS]) * n), n)
    if not learn:
        k[:] = 0.0
    elif not gain(state, n, c, x, k, reals[0]):
        W[:] = 0.0
    low, high = 0.0, 0.0
    for i in range(min(n, past[seasons.OWN])):
        low, high = min(low, x[i]), max(high, x[i])
    room = (FURTHER if n > past[seasons.OWN] else BEYOND) * (high - low)
    for h in range(horizons):
        d = scale * min(max(dot(W[h], x), low - room), high + room)
        if rooted:
            r = seasons.root(last) + d
            f[h] = r * abs(r)
        else:
            f[h] = last + d


@hasten_part
def hasten(shape, reals, state):
    """Forget at once: P as if lambda had been 1 - 1 / MEMORY so far, the weights stay (covariance resetting).

    (Goodwin and Sin 1984, section 3.5, where P goes back to a multiple of I; here its shape stays too.)
    """
    n = shape[1]
    most = MEMORY * (1.0 - reals[0])
    grow = min(1.0 / most, MOST) if most > 0.0 else MOST
    if grow <= 1.0 or state[0] == 0.0:
        return
    P, c = carray(state, length(n)), carray(shift(state, length(n)), n)
    for i in range(length(n)):
        P[i] *= grow
    root = math.sqrt(grow)
    for i in range(n):
        c[i] *= root
    shrink(state, n, c)
