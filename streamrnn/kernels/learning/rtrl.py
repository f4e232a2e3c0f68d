"""Learning forward in time, without going back: exact RTRL, SnAp-1, and the immediate gradient, which has no history.

Every `stride` observations the rows that have got all their answers are taken in order, each once. A layer's traces
are taken along to the row and give the gradient of what was predicted there, by all of the layer's past (trace.py). So
the traces run behind the network by the longest horizon less one, several horizons need no traces of their own, and
between two updates nothing is done at all; under private weights the weights of an update are those that the rows
were lived with. A label is learned from once, at its own row; one that comes later than that is not.

In a stack a layer's own history is taken into account, exactly by exact traces; what reaches a layer below has come
through the row itself only ("spatial" back-propagation in Zucchet et al. 2023, sec. 3.3). The history that a layer
below has inside the layers above is left out: the gradient of a stack is exact for its highest recurrent layer alone.

Layers without a state of their own pass gradients through the row. `immediate` (arXiv 2603.28750, the cheap baseline)
is the backward part of every layer on single rows: as the recurrence is cut between them, all go in one call.
Traces that are not finite are emptied; the firewall, clipping and the optimiser are those of tbptt.py.
"""

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Layer, Program
from streamrnn.kernels.learning.tbptt import readout, update


@jit
def gradient(plan, row, scratch, first, last):
    """Gradient of the labels on rows first..last-1, into the scratch; the traces are taken along."""
    p = plan.ints
    G = readout(plan, row, scratch, first, last)
    dy, dx = p[Program.SCRATCH_DY], p[Program.SCRATCH_DX]
    for s in range(p[Program.LAYERS]):
        layer = shift(plan.layers, (p[Program.LAYERS] - 1 - s) * Layer.WIDTH)
        shape = shift(layer, Layer.SHAPE)
        w = shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS])
        tape = shift(row.net, layer[Layer.TAPE])
        g = shift(scratch.f32, p[Program.SCRATCH_GRADIENT] + layer[Layer.PARAMS])
        room = shift(scratch.f32, p[Program.SCRATCH_LAYER])
        above, below = shift(scratch.f32, dy), shift(scratch.f32, dx)
        if layer[Layer.FOLLOW] != 0:
            trace, keep = shift(row.net, layer[Layer.TRACE]), shift(row.net, p[Program.KEEP])
            call(layer[Layer.FOLLOW], shape, w, tape, keep, above, below, g, trace, room, first, last)
        else:
            keep = shift(scratch.f32, p[Program.SCRATCH_CUT]) if layer[Layer.CUT] else shift(row.net, p[Program.KEEP])
            call(layer[Layer.BACKWARD], shape, w, tape, keep, above, below, g, room, first, last)
        dy, dx = dx, dy
    return G


@jit
def take(plan, row, first, last):
    """Number of the labels on rows first..last-1, which are learned from now and not again."""
    counts = carray(shift(row.net, plan.ints[Program.LABELLED] + first), last - first)
    labels = 0
    for t in range(last - first):
        labels += int(counts[t])
        counts[t] = 0
    row.count[Count.LABELS] -= labels
    return labels


@jit
def learn(plan, row, scratch):
    """Take the traces to the newest row that has all its answers, and update by the labels passed on the way."""
    p, q = plan.ints, row.count
    start = q[Count.WRITTEN] - q[Count.POSITION]  # number of the tape's row 0
    traced = max(q[p[Program.TRACED]], start)  # number of the first row that the traces have not reached
    ready = q[Count.WRITTEN] - p[Program.DELAY]
    if p[Program.LABEL_TASK] and q[Count.LABELS] > 0:
        ready = max(ready, q[Count.NEWEST] + 1)
    first, last = traced - start, ready - start
    if q[p[Program.TRACED]] < start:  # rows have gone untaken: while it was frozen, or emptied by a fall
        carray(shift(row.net, p[Program.TRACES]), p[Program.TRACES_LENGTH])[:] = 0
    if first >= last:
        return 0
    labels = take(plan, row, first, last)
    G = gradient(plan, row, scratch, first, last)
    carray(shift(row.net, p[Program.GRADIENT] + first * p[Program.OUTPUTS]), (last - first) * p[Program.OUTPUTS])[:] = 0
    q[p[Program.TRACED]] = ready
    if labels == 0:
        return 0
    bits = update(plan, row, scratch, G, labels)
    if bits & (Bit.SKIPPED | Bit.RESTED):
        carray(shift(row.net, p[Program.TRACES]), p[Program.TRACES_LENGTH])[:] = 0
    return bits
