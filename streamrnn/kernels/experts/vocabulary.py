"""A vocabulary that grows while it is used, in the row: symbols are numbered in the order in which they are admitted.

A symbol is known by a 63-bit digest of its text. While less than half of the places is taken it enters at first sight;
from then on at its second, so that a flood of symbols that never come again cannot take the rest. Symbol 0 stands for
all that is not in: it is predicted, counted and learned like any other. So is the end of a session, which enters as a
symbol of its own, END, when the first one ends: whoever never ends one gives it nothing.
"""

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Symbols
from streamrnn.kernels.core.program import Program

END = -1  # in place of a digest, which is never negative


@jit
def place_of(plan, row, digest):
    """Bucket that holds the digest, or the free one where it would stand (linear probing; half stays free)."""
    p = plan.ints
    mask = p[Program.BUCKET_MASK]
    at = digest & mask
    while True:
        symbol = row.counts[p[Program.BUCKETS] + at]
        if symbol == 0 or row.counts[p[Program.KEYS] + symbol - 1] == digest:
            return at
        at = (at + 1) & mask


@jit
def find(plan, row, digest):
    """The symbol's number, 0 when it is not in the vocabulary."""
    symbol = row.counts[plan.ints[Program.BUCKETS] + place_of(plan, row, digest)]
    return symbol - 1 if symbol > 0 else 0


@jit
def admit(plan, row, digest):
    """Let a symbol in that is not. Returns its number; 0 when it has to wait or there is no room."""
    p = plan.ints
    n = row.counts[p[Program.KNOWN_SYMBOLS]]
    if n >= p[Program.SYMBOLS]:
        return 0
    if 2 * n > p[Program.SYMBOLS]:
        waiting = carray(shift(row.counts, p[Program.WAITING]), Symbols.WAITERS)
        at = (digest >> 8) % Symbols.WAITERS
        if waiting[at] != digest:
            waiting[at] = digest
            return 0
    row.counts[p[Program.BUCKETS] + place_of(plan, row, digest)] = n + 1
    row.counts[p[Program.KEYS] + n] = digest
    row.counts[p[Program.KNOWN_SYMBOLS]] = n + 1
    return n
