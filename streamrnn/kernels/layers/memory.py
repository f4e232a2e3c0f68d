"""External memory of keys and values: what came after inputs like this one, however long ago that was.

At every step the pair (input before, input now) is written: over the slot whose key is like it (cosine of SAME or
more), which then tells what came last, or else over the faintest one, as in Kaiser et al. (2017, section 3).
Then the READS slots that answer the query best are read (Graves et al. 2014, section 3.3.1: addressing by content):

    xh = x / sqrt(mean(x^2) + EPS)        q = A' xh        e_j = q . k_j / sqrt(I)
    a_j = p_j exp(e_j) / sum_j p_j exp(e_j)        s = sum_j a_j v_j        h = tanh(V' s + W' x + b)

Keys are kept as xh, values as x. p, the presence of a slot, is 1 when it is written and multiplied with FADE at every
step, so that a slot that is not written for long gives way first; in a silence it fades with the rest of the state.
Which slots are written and read is taken as given by the gradient; through what stands in them it flows as far back as
the window goes.

Parameters: A (I, I), V (I, H), W (I, H), b (H). State: h (H), the xh before (I) and its presence, k (M, I), v (M, I),
p (M). Tape: x (C, I), xh (C, I), q (C, I), s (C, I), k and v as read (C, READS, I) each, their weights and their slots
(C, READS) each, the slot written (C), -1 for none, h (C, H).
"""

import math

from numba import carray

from streamrnn.kernels.core.activations import tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.layers.contract import C, H, I, M, backward_part, forward_part

READS = 8
SAME = 0.95
FADE = 1.0 - 1.0 / 4096
EPS = 1e-6
FAINT = 1e-30  # a presence below it is none: it would become subnormal


@jit
def matrices(w, n, m):
    """A, V, W, b: views of parameters or of their gradient."""
    v = shift(w, n * n)
    return (
        carray(w, (n, n)),
        carray(v, (n, m)),
        carray(shift(v, n * m), (n, m)),
        carray(shift(v, 2 * n * m), m),
    )


@jit
def vectors(tape, n, m, c, t, rows):
    """Rows t.. of the tape: x, xh, q, s, h."""
    last = shift(tape, (4 * n + 2 * READS * n + 2 * READS + 1) * c)
    return (
        carray(shift(tape, t * n), (rows, n)),
        carray(shift(tape, (c + t) * n), (rows, n)),
        carray(shift(tape, (2 * c + t) * n), (rows, n)),
        carray(shift(tape, (3 * c + t) * n), (rows, n)),
        carray(shift(last, t * m), (rows, m)),
    )


@jit
def readings(tape, n, c, t, rows):
    """Rows t.. of the tape: keys and values as read, weights, slots, the slot written."""
    k = READS
    room = shift(tape, 4 * n * c)
    marks = shift(room, 2 * k * n * c)
    return (
        carray(shift(room, t * k * n), (rows, k, n)),
        carray(shift(room, (c + t) * k * n), (rows, k, n)),
        carray(shift(marks, t * k), (rows, k)),
        carray(shift(marks, (c + t) * k), (rows, k)),
        carray(shift(marks, 2 * k * c + t), rows),
    )


@jit
def copy(a, b):
    """b = a."""
    for i in range(len(b)):
        b[i] = a[i]


@jit
def square(a):
    """a . a"""
    total = a.dtype.type(0)
    for i in range(len(a)):
        total += a[i] * a[i]
    return total


@jit
def place(before, keys, presence, scores):
    """The slot to write: that of the likest key, or the faintest one; scores (M) is overwritten."""
    scores[:] = 0
    dots(keys, before, scores)
    best, faintest = -1, 0
    for j in range(len(presence)):
        if presence[j] > 0 and (best < 0 or scores[j] > scores[best]):
            best = j
        if presence[j] < presence[faintest]:
            faintest = j
    if best >= 0 and scores[best] >= SAME * math.sqrt(square(before) * square(keys[best])):
        return best
    return faintest


@jit
def write(before, there, x, keys, values, presence, scores):
    """All presences fade; the pair before -> x into its slot. Returns the slot, -1 when nothing came before."""
    for j in range(len(presence)):
        presence[j] = presence[j] * FADE if presence[j] > FAINT else 0
    if there <= FAINT:
        return -1
    slot = place(before, keys, presence, scores)
    copy(before, keys[slot])
    copy(x, values[slot])
    presence[slot] = there
    return slot


@jit
def choose(scores, presence, slots):
    """The slots of the best scores, best first; -1 where there are no more."""
    slots[:] = -1
    for j in range(len(presence)):
        if presence[j] <= 0:
            continue
        at = READS
        while at > 0 and (slots[at - 1] < 0 or scores[j] > scores[int(slots[at - 1])]):
            at -= 1
        for later in range(READS - 1, at, -1):
            slots[later] = slots[later - 1]
        if at < READS:
            slots[at] = j


@jit
def weigh(scores, presence, slots, weights):
    """weights: p e^score of the chosen slots, to sum 1; all 0 when there are none."""
    total = weights.dtype.type(0)
    for k in range(READS):
        weights[k] = 0
        if slots[k] >= 0:
            j = int(slots[k])
            weights[k] = presence[j] * math.exp(scores[j] - scores[int(slots[0])])
            total += weights[k]
    for k in range(READS):
        weights[k] = weights[k] / total if total > 0 else 0


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """One step; scratch holds the scores (M) and the sums (H)."""
    n, m, c, slots = shape[I], shape[H], shape[C], shape[M]
    A, V, W, b = matrices(w, n, m)
    xs, units, queries, means, outs = vectors(tape, n, m, c, t, 1)
    readkeys, readvalues, weights, chosen, written = readings(tape, n, c, t, 1)
    x0, unit, q, mean, y = xs[0], units[0], queries[0], means[0], outs[0]
    h, before = carray(state, m), carray(shift(state, m), n)
    there = carray(shift(state, m + n), 1)
    keys = carray(shift(state, m + n + 1), (slots, n))
    values = carray(shift(state, m + n + 1 + slots * n), (slots, n))
    presence = carray(shift(state, m + n + 1 + 2 * slots * n), slots)
    scores, a = carray(scratch, slots), carray(shift(scratch, slots), m)
    copy(carray(x, n), x0)
    written[0] = write(before, there[0], x0, keys, values, presence, scores)
    scale = A.dtype.type(1.0 / math.sqrt(square(x0) / n + EPS))
    for i in range(n):
        unit[i] = x0[i] * scale
    q[:] = 0
    matvec(A, unit, q)
    scores[:] = 0
    dots(keys, q, scores)
    root = A.dtype.type(1.0 / math.sqrt(n))
    for j in range(slots):
        scores[j] *= root
    choose(scores, presence, chosen[0])
    weigh(scores, presence, chosen[0], weights[0])
    for k in range(READS):
        slot = max(int(chosen[0, k]), 0)
        copy(keys[slot], readkeys[0, k])
        copy(values[slot], readvalues[0, k])
    mean[:] = 0
    matvec(readvalues[0], weights[0], mean)
    copy(b, a)
    matvec(V, mean, a)
    matvec(W, x0, a)
    for j in range(m):
        y[j] = tanh(a[j])
        h[j] = y[j]
    copy(unit, before)
    there[0] = 1


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """Scratch: delta (rows, H), that of q (rows, I), of s, xh and the xh before (I each), of k and v (M, I each)."""
    n, m, c, slots, rows = shape[I], shape[H], shape[C], shape[M], last - first
    A, V, W, _ = matrices(w, n, m)
    gA, gV, gW, gb = matrices(g, n, m)
    X, U, Q, S, Y = vectors(tape, n, m, c, first, rows)
    readkeys, readvalues, weights, chosen, written = readings(tape, n, c, first, rows)
    K, dY, dX = carray(shift(keep, first), rows), carray(dy, (rows, m)), carray(dx, (rows, n))
    D, dQ = carray(scratch, (rows, m)), carray(shift(scratch, rows * m), (rows, n))
    room = shift(scratch, rows * (m + n))
    ds, du, dbefore = carray(room, n), carray(shift(room, n), n), carray(shift(room, 2 * n), n)
    dkeys = carray(shift(room, 3 * n), (slots, n))
    dvalues = carray(shift(room, 3 * n + slots * n), (slots, n))
    one, root = A.dtype.type(1), A.dtype.type(1.0 / math.sqrt(n))
    dbefore[:] = 0
    dkeys[:] = 0
    dvalues[:] = 0
    for back in range(rows):
        t = rows - 1 - back
        d, v, y, x, dxt = D[t], dY[t], Y[t], X[t], dX[t]
        for j in range(m):
            d[j] = v[j] * (one - y[j] * y[j])
        ds[:] = 0
        dQ[t] = 0
        dxt[:] = 0
        dots(V, d, ds)
        dots(W, d, dxt)
        read(readkeys[t], readvalues[t], weights[t], chosen[t], S[t], Q[t], ds, dQ[t], dkeys, dvalues, root)
        copy(dbefore, du)
        dots(A, dQ[t], du)
        dbefore[:] = 0
        if written[t] >= 0:
            slot = int(written[t])
            for i in range(n):
                dbefore[i] = dkeys[slot, i] * K[t]
                dxt[i] += dvalues[slot, i]
                dkeys[slot, i] = 0
                dvalues[slot, i] = 0
        normalise(x, U[t], du, dxt)
        if K[t] != one:
            for j in range(slots):
                for i in range(n):
                    dkeys[j, i] *= K[t]
                    dvalues[j, i] *= K[t]
    fold(U, dQ, gA)
    fold(S, D, gV)
    fold(X, D, gW)
    sums(D, gb)


@jit
def read(keys, values, weights, slots, mean, q, ds, dq, dkeys, dvalues, root):
    """From the gradient of s to that of q, and to those of the slots that were read."""
    n, level = len(ds), ds.dtype.type(0)
    for i in range(n):
        level += ds[i] * mean[i]
    for k in range(READS):
        if slots[k] < 0:
            continue
        key, value, j, a = keys[k], values[k], int(slots[k]), weights[k]
        de = ds.dtype.type(0)
        for i in range(n):
            de += ds[i] * value[i]
        de = a * (de - level) * root
        for i in range(n):
            dq[i] += de * key[i]
            dkeys[j, i] += de * q[i]
            dvalues[j, i] += a * ds[i]


@jit
def normalise(x, unit, du, dx):
    """dx += the gradient through xh = x / sqrt(mean(x^2) + EPS)."""
    n, along = len(x), x.dtype.type(0)
    for i in range(n):
        along += du[i] * unit[i]
    along /= n
    scale = x.dtype.type(1.0 / math.sqrt(square(x) / n + EPS))
    for i in range(n):
        dx[i] += (du[i] - along * unit[i]) * scale
