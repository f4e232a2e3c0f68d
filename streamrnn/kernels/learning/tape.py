"""The tape: rows of the network that an update goes back over, and what of the state reaches the next one."""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count
from streamrnn.kernels.core.program import Program, Reals

LONGER = 1.5  # usual intervals: a longer one is a gap


@jit
def left(plan, row):
    """What is left of the hidden state: halved for every half-life of silence beyond the usual interval.

    Up to LONGER usual intervals nothing fades: they are the jitter of a clock.
    """
    elapsed, half = row.real[plan.ints[Program.CLOCK] + Clock.ELAPSED], plan.reals[Reals.HALF_LIFE]
    if half <= 0.0 or elapsed <= math.log(LONGER):
        return 1.0
    return 0.5 ** ((math.exp(elapsed) - 1.0) / half)


@jit
def tape_row(plan, row):
    """The tape's next row; when the tape is full, its last KEPT rows move to its front first."""
    p, q = plan.ints, row.count
    if q[Count.POSITION] == p[Program.ROWS]:
        kept, moved = p[Program.KEPT], p[Program.ROWS] - p[Program.KEPT]
        for b in range(p[Program.BLOCKS]):
            start, width = plan.blocks[2 * b], plan.blocks[2 * b + 1]
            front = carray(shift(row.net, start), kept * width)
            front[:] = carray(shift(row.net, start + moved * width), kept * width)
        q[Count.POSITION] = kept
    t = q[Count.POSITION]
    q[Count.POSITION] += 1
    q[Count.WRITTEN] += 1
    row.net[p[Program.KEEP] + t] = 0.0 if q[Count.FRESH] != 0 else left(plan, row)
    q[Count.FRESH] = 0
    return t
