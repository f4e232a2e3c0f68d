"""Truncated back-propagation through time: BPTT(h; h') of Williams and Peng (1990), h = window, h' = stride.

Every `stride` observations the gradient of the labels that have arrived since goes back from the rows that issued
their forecasts, through the activations stored then: `window` rows from the newest such row on, or as many as the
labels themselves span. Stored activations are used as they were lived, unless the rule says `recompute`.

The firewall stands here: a gradient that is not finite moves nothing; weights that are not finite, or have grown out of
measure, are put back to the last good ones, together with an emptied tape. A network that falls back again and again
rests: it goes on predicting with its last good weights, the mix gives it what it is worth, and it learns again after a
while. All are functions of the stream's own observations. Rejected: to judge a network by its loss. One that is worse
than nothing loses its weight in the mix anyway, and one that had not begun to be useful was silenced for good.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Updates
from streamrnn.kernels.core.linalg import fold, matvec, sums
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Layer, Program
from streamrnn.kernels.learning.learning_rate import rate, shorten
from streamrnn.kernels.learning.recompute import relive

REFRESH = 64  # clean updates between two copies of the weights to the last good ones
LARGEST = 1e4  # a weight beyond this is not a weight any more,
GROWTH = 10.0  # nor are weights whose norm is so many times that of the last good ones
FALLS, WITHIN, REST = 3, 10_000, 1_000  # so many falls within so many clean updates: so many are not taken


@jit
def readout(plan, row, scratch, first, last):
    """Gradient by the readout of the labels on rows first..last-1 of the tape, and at the top layer's outputs.

    Into the scratch: the gradient, zero where the layers' is to come, and dy (last - first, H). Returns the gradient.
    """
    p = plan.ints
    m, o, rows = p[Program.TOP], p[Program.OUTPUTS], last - first
    gradient = p[Program.SCRATCH_GRADIENT]
    G = carray(shift(scratch.f32, gradient), p[Program.PARAMS_LENGTH])
    G[:] = 0
    D = carray(shift(row.net, p[Program.GRADIENT] + first * o), (rows, o))
    Y = carray(shift(row.net, p[Program.TOPS] + first * m), (rows, m))
    V = carray(shift(row.params, p[Program.PARAMS] + p[Program.READOUT]), (o, m))
    dY = carray(shift(scratch.f32, p[Program.SCRATCH_DY]), (rows, m))
    dY[:] = 0
    fold(D, Y, carray(shift(scratch.f32, gradient + p[Program.READOUT]), (o, m)))
    sums(D, carray(shift(scratch.f32, gradient + p[Program.READOUT] + m * o), o))
    for t in range(rows):
        matvec(V, D[t], dY[t])
    return G


@jit
def backward(plan, row, scratch, first, last):
    """Gradient of the labels on rows first..last-1 of the tape, into the scratch."""
    p = plan.ints
    G = readout(plan, row, scratch, first, last)
    gradient, dy, dx = p[Program.SCRATCH_GRADIENT], p[Program.SCRATCH_DY], p[Program.SCRATCH_DX]
    for s in range(p[Program.LAYERS]):
        layer = shift(plan.layers, (p[Program.LAYERS] - 1 - s) * Layer.WIDTH)
        call(
            layer[Layer.BACKWARD],
            shift(layer, Layer.SHAPE),
            shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS]),
            shift(row.net, layer[Layer.TAPE]),
            shift(row.net, p[Program.KEEP]),
            shift(scratch.f32, dy),
            shift(scratch.f32, dx),
            shift(scratch.f32, gradient + layer[Layer.PARAMS]),
            shift(scratch.f32, p[Program.SCRATCH_LAYER]),
            first,
            last,
        )
        dy, dx = dx, dy
    return G


@jit
def square(x):
    """Sum of squares of a float32 or float64 array, in its own precision."""
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return float(total)


@jit
def forget(plan, row):
    """Start again with a clean state: hidden state, gradient, tape and traces are emptied, the weights stay."""
    p, q = plan.ints, row.count
    carray(shift(row.net, p[Program.TRACES]), p[Program.TRACES_LENGTH])[:] = 0
    carray(shift(row.net, p[Program.MEMORY_F32]), p[Program.MEMORY_LENGTH])[:] = 0
    q[Count.POSITION], q[Count.LABELS] = 0, 0
    q[Count.FRESH] = 1
    q[Count.OLDEST] = q[Count.WRITTEN]


@jit
def roll_back(plan, row):
    """Put the last good weights back, with a fresh optimiser and tape."""
    p = plan.ints
    n = p[Program.PARAMS_LENGTH]
    carray(shift(row.params, p[Program.PARAMS]), n)[:] = carray(shift(row.params, p[Program.GOOD]), n)
    carray(shift(row.params, p[Program.OPTIMISER]), p[Program.OPTIMISER_LENGTH])[:] = 0
    row.counts[Updates.STEPS], row.counts[Updates.CLEAN] = 0, 0
    forget(plan, row)
    count_fall(row.counts)
    return Bit.ROLLED_BACK


@jit
def count_fall(counts):
    """One more fall; the last of too many begins the rest."""
    if counts[Updates.FALLS] == 0 or counts[Updates.SINCE] > WITHIN:
        counts[Updates.FALLS], counts[Updates.SINCE] = 0, 0
    counts[Updates.FALLS] += 1
    if counts[Updates.FALLS] == FALLS:
        counts[Updates.FALLS], counts[Updates.REST] = 0, REST


@jit
def rests(counts):
    """Whether the update that is due is not taken."""
    if counts[Updates.REST] == 0:
        return False
    counts[Updates.REST] -= 1
    return True


@jit
def sound(plan, row):
    """Whether the weights are finite and of a sane size."""
    p, n = plan.ints, plan.ints[Program.PARAMS_LENGTH]
    size, good = (
        square(carray(shift(row.params, p[Program.PARAMS]), n)),
        square(carray(shift(row.params, p[Program.GOOD]), n)),
    )
    return size <= LARGEST * LARGEST and (good == 0.0 or size <= GROWTH * GROWTH * good)


@jit
def guard(plan, row):
    """After a clean update: every REFRESH of them, look at the weights and keep or restore them."""
    p, n = plan.ints, plan.ints[Program.PARAMS_LENGTH]
    row.counts[Updates.CLEAN] += 1
    row.counts[Updates.SINCE] += 1
    if row.counts[Updates.CLEAN] % REFRESH != 0:
        return Bit.UPDATED
    if not sound(plan, row):
        return Bit.UPDATED | roll_back(plan, row)
    carray(shift(row.params, p[Program.GOOD]), n)[:] = carray(shift(row.params, p[Program.PARAMS]), n)
    return Bit.UPDATED


@jit
def learn(plan, row, scratch):
    """One update from the labels that have arrived since the last one. Returns the outcome's bits."""
    p, q = plan.ints, row.count
    start = q[Count.WRITTEN] - q[Count.POSITION]  # number of the tape's row 0
    oldest, newest = max(q[Count.OLDEST] - start, 0), q[Count.NEWEST] - start
    labels = q[Count.LABELS]
    q[Count.LABELS] = 0
    if newest < 0:  # late labels whose rows have left the tape since
        return 0
    first = max(0, min(newest + 1 - p[Program.WINDOW], oldest))
    if p[Program.RECOMPUTE]:
        relive(plan, row, scratch, first, newest + 1)
    G = backward(plan, row, scratch, first, newest + 1)
    used = (newest + 1 - oldest) * p[Program.OUTPUTS]
    carray(shift(row.net, p[Program.GRADIENT] + oldest * p[Program.OUTPUTS]), used)[:] = 0
    return update(plan, row, scratch, G, labels)


@jit
def update(plan, row, scratch, G, labels):
    """A step of the optimiser along the mean gradient G / labels, through the firewall. Returns the outcome's bits."""
    p = plan.ints
    if rests(row.counts):
        return Bit.RESTED
    norm = math.sqrt(square(G)) / labels
    if not norm < math.inf:
        return Bit.SKIPPED | (0 if sound(plan, row) else roll_back(plan, row))
    row.counts[Updates.STEPS] += 1
    call(
        p[Program.OPTIMISE],
        p[Program.PARAMS_LENGTH],
        shift(row.params, p[Program.PARAMS]),
        shift(scratch.f32, p[Program.SCRATCH_GRADIENT]),
        shift(row.params, p[Program.OPTIMISER]),
        plan.reals,
        shorten(plan, G, norm, labels),
        rate(plan, row, labels),
        row.counts[Updates.STEPS],
    )
    return guard(plan, row)
