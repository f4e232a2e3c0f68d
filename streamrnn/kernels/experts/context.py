"""Context tables: what followed the last k symbols so far, in bounded memory, and what that says of the next.

An entry is a few 32-bit words: a check of the context, the sum of its counts, then S successors (symbol << 16 | count).
A context may stand in PROBES entries; the one with the least counts gives way. Each table refines the one before it
(prediction by partial matching, Cleary and Witten 1984): with c(s) the counts of the entry, C their sum, e the
probability that the successor is not among them,

    P_k(s) = (1 - e) c(s) / C                              for the successors in the entry
    P_k(s) = e P_{k-1}(s) / (1 - sum of their P_{k-1})     for the others (exclusion)

e is not a formula of the counts but learned from what happened in entries of like C and number of successors (secondary
escape estimation, Bloom 1998; Shkarin 2002). Probabilities and their logarithms are made together: only the logarithms
of the entry's own successors have to be computed.
"""

import math

import numpy as np
from numba import carray

from streamrnn.kernels.core.as_uint32 import words
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Contexts, Entry, EventCount
from streamrnn.kernels.core.program import Order, Program

SPREAD = np.uint64(0x9E3779B97F4A7C15)
FINISH = np.uint64(0xBF58476D1CE4E5B9)
SYMBOL = np.uint32(16)
COUNT = np.uint32(0xFFFF)
FADE = 0.999  # of the escape statistics, per use
LEAST = 1e-5  # probability of an escape, and of none


@jit
def hashed(row, history, order):
    """64 bits of the last `order` symbols."""
    h = np.uint64(order + 1)
    for j in range(order):
        h = h * SPREAD + np.uint64(history[j] + 2)
        h ^= h >> np.uint64(29)
    h *= FINISH
    return h ^ (h >> np.uint64(32))


@jit
def stamp(h):
    """The check that an entry carries, never 0."""
    return np.uint32(h >> np.uint64(40)) | np.uint32(1)


@jit
def entry(plan, row, k, place):
    """The words of an entry of table k."""
    order = shift(plan.orders, k * Order.WIDTH)
    width = Entry.SUCCESSORS + order[Order.PLACES]
    return carray(shift(words(row.counts), order[Order.TABLE] + place * width), width)


@jit
def look_up(plan, row, k, h):
    """Place of the context's entry; -1 - the place that it would take when there is none."""
    order = shift(plan.orders, k * Order.WIDTH)
    start, check = np.int64(h & np.uint64(order[Order.MASK])), stamp(h)
    least, worst = np.int64(1) << 40, start
    for probe in range(Contexts.PROBES):
        at = start ^ probe
        found = entry(plan, row, k, at)
        if found[Entry.STAMP] == check:
            return at
        if np.int64(found[Entry.WEIGHT]) < least:
            least, worst = np.int64(found[Entry.WEIGHT]), at
    return -1 - worst


@jit
def cell(total, kinds):
    """Escape cell of an entry: logarithmic in its occurrences (8), coarse in its successors (7)."""
    times, a = total // Contexts.UNIT, 0
    while times > 1 and a < 7:
        times = (times + 1) // 2
        a += 1
    if kinds <= 4:
        return a * 8 + kinds - 1
    return a * 8 + (4 if kinds <= 6 else 5 if kinds <= 10 else 6)


@jit
def refine(found, escape, lower, low, mine, log, n):
    """P_k and its logarithm from P_{k-1} and its own, over n symbols."""
    real = lower.dtype.type
    total, known = 0, 0.0
    for i in range(Entry.SUCCESSORS, len(found)):
        count = np.int64(found[i] & COUNT)
        if count > 0:
            total += count
            known += lower[np.int64(found[i] >> SYMBOL)]
    left = escape / max(1.0 - known, 1e-9)
    scale, moved = real(left), real(math.log(left))
    for s in range(n):
        mine[s] = lower[s] * scale
        log[s] = low[s] + moved
    share = (1.0 - escape) / total
    for i in range(Entry.SUCCESSORS, len(found)):
        count = np.int64(found[i] & COUNT)
        if count > 0:
            s = np.int64(found[i] >> SYMBOL)
            mine[s] = real(share * count)
            log[s] = real(math.log(share * count))


@jit
def kinds_of(found):
    """Successors in an entry."""
    kinds = 0
    for i in range(Entry.SUCCESSORS, len(found)):
        kinds += (found[i] & COUNT) > 0
    return kinds


@jit
def predict(plan, row, scratch, n):
    """Every table's distribution over the n known symbols, from the uniform one up, into the scratch.

    Leaves in scratch.own: the longest context found (1 + its table, 0 for none), the state of its entry, and per table
    the place and the escape cell (-1 where the context is not there, -2 as place where the session is too short).
    """
    p = plan.ints
    V = p[Program.SYMBOLS]
    real = carray(scratch.f32, 1).dtype.type
    history = carray(shift(row.count, p[Program.RECENT]), Contexts.REACH)
    lower, low = (
        carray(shift(scratch.f32, p[Program.SCRATCH_SHARES]), V),
        carray(shift(scratch.f32, p[Program.SCRATCH_DELTA]), V),
    )
    lower[:n] = real(1.0 / n)
    low[:n] = real(-math.log(n))
    longest, state = 0, 0
    for k in range(p[Program.TABLES]):
        mine = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + (k + 1) * V), V)
        log = carray(shift(scratch.f32, p[Program.SCRATCH_LOGS] + k * V), V)
        order = plan.orders[k * Order.WIDTH + Order.LENGTH]
        own = carray(shift(scratch.own, 3 + 2 * k), 2)
        own[0], own[1] = -Contexts.BEFORE, -1
        if order <= row.count[EventCount.IN_SESSION] + 1:
            own[0] = look_up(plan, row, k, hashed(row, history, order))
        if own[0] >= 0:
            found = entry(plan, row, k, own[0])
            kinds = kinds_of(found)
            own[1] = cell(np.int64(found[Entry.WEIGHT]), kinds)
            seen = carray(shift(row.params, p[Program.ESCAPE] + 2 * (k * Contexts.ESCAPES + own[1])), 2)
            escape = min(max(float(seen[0]) / float(seen[1]), LEAST), 1.0 - LEAST)
            refine(found, escape, lower, low, mine, log, n)
            longest, state = k + 1, 0 if kinds <= 1 else 1 if kinds <= 3 else 2
        else:
            mine[:n] = lower[:n]
            log[:n] = low[:n]
        lower, low = mine, log
    scratch.own[1], scratch.own[2] = longest, state


@jit
def count(plan, row, scratch, s):
    """Symbol s followed: into the entries that `predict` has found, or into new ones."""
    p = plan.ints
    history = carray(shift(row.count, p[Program.RECENT]), Contexts.REACH)
    for k in range(p[Program.TABLES]):
        own = carray(shift(scratch.own, 3 + 2 * k), 2)
        if own[0] == -Contexts.BEFORE:
            continue
        if own[0] < 0:
            found = entry(plan, row, k, -1 - own[0])
            found[:] = 0
            found[Entry.STAMP] = stamp(hashed(row, history, plan.orders[k * Order.WIDTH + Order.LENGTH]))
            found[Entry.SUCCESSORS] = np.uint32(s) << SYMBOL
            found[Entry.SUCCESSORS] |= np.uint32(Contexts.UNIT)
            found[Entry.WEIGHT] = np.uint32(Contexts.UNIT)
            continue
        found = entry(plan, row, k, own[0])
        seen = carray(shift(row.params, p[Program.ESCAPE] + 2 * (k * Contexts.ESCAPES + own[1])), 2)
        new = raise_count(found, s, Contexts.FULL if k < Contexts.SHORT else Contexts.LONG_FULL)
        seen[0] = FADE * seen[0] + new
        seen[1] = FADE * seen[1] + 1.0


@jit
def raise_count(found, s, most):
    """One more occurrence of s in an entry; the least successor gives way when it is full. Returns 1 if s was new."""
    at, least, low = -1, np.int64(1) << 40, Entry.SUCCESSORS
    for i in range(Entry.SUCCESSORS, len(found)):
        times = np.int64(found[i] & COUNT)
        if times > 0 and np.int64(found[i] >> SYMBOL) == s:
            at = i
            break
        if times < least:
            least, low = times, i
    new = at < 0
    if new:
        at = low
        found[at] = np.uint32(s) << SYMBOL
    found[at] += np.uint32(Contexts.UNIT)
    halve = (found[at] & COUNT) > np.uint32(most)
    total = np.int64(0)
    for i in range(Entry.SUCCESSORS, len(found)):
        times = found[i] & COUNT
        if halve:
            times >>= np.uint32(1)
            found[i] = (found[i] >> SYMBOL << SYMBOL) | times
        total += np.int64(times)
    found[Entry.WEIGHT] = np.uint32(total)
    return 1.0 if new else 0.0
