"""Doubt: a value that no spread explains is judged, but neither learned nor followed until it is one of several.

A glitch of a sensor or a converter is millions of deviations away, and alone. Learned once, it widens every scale and
spoils every expert for weeks, and as the last value it makes the next forecasts worthless. So a value further than FAR
standard deviations from the running mean counts as missing for all that learns or predicts, and as what it is for the
monitors. The BELIEVED-th of them in a row is believed, for the stream may really have gone there; whether it is learned
is then the hold-off's affair. Bursts that ordinary streams have lie far below FAR, and are followed at once; where they
come out of a long calm, which leaves next to no deviation, what counts is how far off the stream has been before.

Measured: one value in a hundred at a million deviations multiplied the median error on the others by 200 to 1,400,
whatever the preset; the hold-off hardly helps, since frequent alarms raise the threshold above such values too.

Rejected: to cut such a value to the nearest believable one. Ten deviations in one value of a hundred still widen the
scale, so the cut moves out with it, without end.
"""

import math

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Scale
from streamrnn.kernels.core.program import Program

FAR = 1000.0  # standard deviations
SETTLED = 30.0  # values that the deviation has to rest on
BELIEVED = 3
WIDER = 10.0  # times the widest that was believed, from the mean, is no cause for doubt


@jit
def look(plan, row, values):
    """Count for each feature how many of its values in a row lie far off. Returns whether one of these is doubted."""
    p, found = plan.ints, False
    for f in range(p[Program.FEATURES]):
        s, v = shift(row.real, p[Program.SCALE] + f * Scale.WIDTH), values[f]
        if math.isnan(v):
            continue
        off, known = abs(v - s[Scale.MEAN]), s[Scale.SIZE] >= SETTLED and s[Scale.VARIANCE] > 0.0
        near = not known or off <= max(FAR * math.sqrt(s[Scale.VARIANCE]), WIDER * s[Scale.WIDEST])
        s[Scale.ODD] = 0.0 if near else s[Scale.ODD] + 1.0
        if s[Scale.SIZE] > 0.0 and not doubted(plan, row, f):
            s[Scale.WIDEST] = max(s[Scale.WIDEST], off)
        found = found or doubted(plan, row, f)
    return found


@jit
def doubted(plan, row, f):
    """Whether the latest value of feature f is not believed."""
    odd = row.real[plan.ints[Program.SCALE] + f * Scale.WIDTH + Scale.ODD]
    return 0.0 < odd < BELIEVED
