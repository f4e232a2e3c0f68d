"""The door: what is a duplicate or late, and how many of the sender's numbers are missing."""

import math

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Clock, Count, Scale
from streamrnn.kernels.core.outcomes import Bit, Flag
from streamrnn.kernels.core.program import Program

MOST_LATE = 64
DAY = 86_400.0
MOST_LOST = 2**31  # sequence numbers: a larger gap is another count, not a loss


@jit
def repeated(plan, row, time, bits, values):
    """Whether an observation has the sender's time and the values of the one before, with another number or without.

    Of task "label" none has: labels may differ.
    """
    p, q = plan.ints, row.count
    sent = bits & (Flag.STAMPED | Flag.END) == 0 and p[Program.LABEL_TASK] == 0
    if not sent or q[Count.SEEN] == 0 or time != row.real[p[Program.CLOCK] + Clock.TIME]:
        return False
    for f in range(p[Program.FEATURES]):
        v, before = values[f], row.real[p[Program.SCALE] + f * Scale.WIDTH + Scale.RAW]
        if v != before and not (math.isnan(v) and math.isnan(before)):
            return False
    return True


@jit
def door(plan, row, time, seq, bits):
    """Duplicate and late observations stop here. Returns (outcome bits, sequence numbers lost).

    A sequence number that was seen is a duplicate unless the sender's clock has moved on: then the sender has started
    its count again. More than MOST_LATE late ones in a row are no stragglers: the clock has been set back, and is
    followed. A time that is more than a day ahead of its arrival and of the stream is a fault of the sender's clock: it
    is answered as a late one is, unless it is one of as many in a row.
    """
    q, clock = row.count, shift(row.real, plan.ints[Program.CLOCK])
    seen = q[Count.SEEN] > 0
    if seq >= 0 and seq <= q[Count.SEQ] and (bits & Flag.STAMPED or time <= clock[Clock.TIME]):
        return Bit.DUPLICATE, 0
    lost = min(seq - q[Count.SEQ] - 1, MOST_LOST) if seq > q[Count.SEQ] >= 0 else 0
    if seq >= 0:
        q[Count.SEQ] = seq
    if bits & (Flag.LABEL_ONLY | Flag.VERDICT):
        return 0, lost
    q[Count.LATENESS] = q[Count.LATENESS] + 1 if seen and time < clock[Clock.TIME] else 0
    leaps = bits & Flag.AHEAD != 0 and seen and time > clock[Clock.TIME] + DAY
    q[Count.AHEAD] = q[Count.AHEAD] + 1 if leaps else 0
    if 0 < q[Count.LATENESS] <= MOST_LATE or 0 < q[Count.AHEAD] <= MOST_LATE:
        return Bit.LATE, lost
    q[Count.LATENESS] = 0
    return Bit.LEARNED, lost
