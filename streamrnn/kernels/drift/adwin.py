"""ADWIN (Bifet and Gavalda 2007): a window over the latest numbers that ends where their mean has changed.

Agrees with river's ADWIN, number for number, at its settings; like that it begins anew with the number after a change.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.drift import contract as d

CLOCK = 32  # numbers between two looks
BUCKETS = 5  # of one size
FEWEST = 5  # numbers on each side of a cut
GRACE = 10  # numbers before the first look
LEVELS = 24  # sizes of buckets, 1 to 2^23: the window is bounded at some forty million numbers
WIDTH, TOTAL, VARIANCE, TICK, USED, OVER, LEVEL = range(7)  # state: then LEVELS times count, totals, variances
SIDE = BUCKETS + 1
LEVEL_WIDTH = 1 + 2 * SIDE
LENGTH = LEVEL + LEVELS * LEVEL_WIDTH


@jit
def level(state, i):
    """Count, totals and variances of the buckets of size 2^i, the oldest first."""
    return carray(shift(state, LEVEL + i * LEVEL_WIDTH), LEVEL_WIDTH)


@jit
def insert(state, i, total, variance):
    """A bucket more of size 2^i."""
    row = level(state, i)
    place = int(row[0])
    row[1 + place], row[1 + SIDE + place] = total, variance
    row[0] += 1


@jit
def remove(state, i, many):
    """The oldest buckets of size 2^i are no more."""
    row = level(state, i)
    left = int(row[0]) - many
    for k in range(left):
        row[1 + k], row[1 + SIDE + k] = row[1 + many + k], row[1 + SIDE + many + k]
    row[0] = left


@jit
def add(state, x):
    """x into the window, and buckets merged where there are too many of a size."""
    state[WIDTH] += 1
    if state[WIDTH] > 1:
        apart = x - state[TOTAL] / (state[WIDTH] - 1)
        state[VARIANCE] += (state[WIDTH] - 1) * apart * apart / state[WIDTH]
    state[TOTAL] += x
    state[USED] = max(state[USED], 1.0)
    insert(state, 0, x, 0.0)
    size = 1.0
    for i in range(LEVELS):
        row = level(state, i)
        if row[0] <= BUCKETS:
            return
        if i == LEVELS - 1:
            forget(state)
            return
        apart = (row[1] - row[2]) / size
        insert(state, i + 1, row[1] + row[2], row[1 + SIDE] + row[2 + SIDE] + 0.5 * size * apart * apart)
        remove(state, i, 2)
        state[USED] = max(state[USED], i + 2.0)
        size *= 2.0


@jit
def forget(state):
    """The oldest bucket leaves the window. Returns its size."""
    oldest = int(state[USED]) - 1
    row, n = level(state, oldest), 2.0**oldest
    state[WIDTH] -= n
    state[TOTAL] -= row[1]
    apart = row[1] / n - state[TOTAL] / state[WIDTH]
    state[VARIANCE] -= row[1 + SIDE] + n * state[WIDTH] * apart * apart / (n + state[WIDTH])
    remove(state, oldest, 1)
    if row[0] == 0:
        state[USED] -= 1
    return n


@jit
def chance(state, n0, n1, delta):
    """How far the means of two parts of the window may be apart by chance (their theorem 3.1)."""
    bound = math.log(2.0 * math.log(state[WIDTH]) / delta)
    share = 1.0 / (n0 - FEWEST + 1.0) + 1.0 / (n1 - FEWEST + 1.0)
    return math.sqrt(2.0 * share * state[VARIANCE] / state[WIDTH] * bound) + 2.0 / 3.0 * bound * share


@jit
def cut(state, delta, out):
    """The cut of the window whose sides differ most, in units of chance; to `out` both means and the newer side's size.

    More than 1: it is no chance.
    """
    n0, n1, total0, total1, most = 0.0, state[WIDTH], 0.0, state[TOTAL], 0.0
    for back in range(int(state[USED])):
        i = int(state[USED]) - 1 - back
        row, n = level(state, i), 2.0**i
        for k in range(int(row[0])):
            n0, n1, total0, total1 = n0 + n, n1 - n, total0 + row[1 + k], total1 - row[1 + k]
            if n0 < FEWEST or n1 < FEWEST:
                continue
            size = abs(total0 / n0 - total1 / n1) / chance(state, n0, n1, delta)
            if size > most:
                most, out[d.BEFORE], out[d.AFTER], out[d.AGO] = size, total0 / n0, total1 / n1, n1
    return most


@d.part
def update(reals, state, x, out):
    """The longest window without two parts of different means. Reals: delta. State: LENGTH numbers.

    A change is found when the window has a cut whose sides differ more than by chance; it began at the cut that differs
    most. One look at every CLOCK-th number. The window need not shrink then: it begins anew.
    """
    found = carray(out, d.WIDTH)
    found[d.FOUND] = 0.0
    if state[OVER] != 0.0:
        carray(state, LENGTH)[:] = 0.0
    add(state, x)
    state[TICK] += 1
    if state[TICK] % CLOCK != 0 or state[WIDTH] <= GRACE:
        return
    if cut(state, reals[0], found) > 1.0:
        found[d.FOUND] = state[OVER] = 1.0
