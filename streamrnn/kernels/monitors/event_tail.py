"""Surprise of an event or a session from the calibrated tail of its bits or lateness, and the life of an anomaly.

u tracks the 1 - TAU quantile of the size a; beyond it the relative excess y = (a - u) / u is taken as exponential with
running mean h, so P(a) = TAU exp(-y / h): extrapolated, not capped by the history's length.
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, EventLatest, EventTail
from streamrnn.kernels.core.outcomes import Bit

TAU = 0.02
ORDINARY = -math.log(TAU)
GAIN = 0.05
MEMORY = 0.998
PRIOR_COUNT, PRIOR_MEAN, FLOOR = 5.0, 0.1, 0.05
LARGEST = 690.0  # -ln of the smallest probability told


@jit
def surprise(tail, a):
    """-ln P of an error at least as large as a, from what was seen before; then learn from it."""
    u = tail[EventTail.START]
    tail[EventTail.SEEN] += 1
    mean = max((PRIOR_COUNT * PRIOR_MEAN + tail[EventTail.EXCESS]) / (PRIOR_COUNT + tail[EventTail.COUNT]), FLOOR)
    above = a > u
    if above:
        excess = (a - u) / u
        value = min(ORDINARY + excess / mean, LARGEST)
        tail[EventTail.EXCESS] = MEMORY * tail[EventTail.EXCESS] + min(excess, 4.0 * mean)
        tail[EventTail.COUNT] = MEMORY * tail[EventTail.COUNT] + 1.0
    else:
        value = ORDINARY * a / u
    tail[EventTail.START] = max(u * (1.0 + GAIN * ((1.0 if above else 0.0) - TAU)), 0.5)
    return value


@jit
def severity(p, rate):
    """0 none, 1 minor, 2 major (a tenth of the alert rate), 3 critical (a thousandth)."""
    if p > rate:
        return 0
    if p > 0.1 * rate:
        return 1
    return 2 if p > 0.001 * rate else 3


@jit
def follow(latest, count, level, time, quiet):
    """Open, worsen or close the stream's event; `level` is the severity now. Returns the outcome's bits."""
    count[Count.SEVERITY] = level
    if level > 0:
        count[Count.CALM] = 0
        if count[Count.OPEN] == 0:
            count[Count.OPEN] = 1
            count[Count.EVENT] += 1
            latest[EventLatest.STARTED], latest[EventLatest.PEAK] = time, level
            return Bit.OPENED
        if level > latest[EventLatest.PEAK]:
            latest[EventLatest.PEAK] = level
            return Bit.WORSENED
        return 0
    if count[Count.OPEN] == 0:
        return 0
    count[Count.CALM] += 1
    if count[Count.CALM] < quiet:
        return 0
    count[Count.OPEN] = 0
    count[Count.SEVERITY] = int(latest[EventLatest.PEAK])
    return Bit.CLOSED
