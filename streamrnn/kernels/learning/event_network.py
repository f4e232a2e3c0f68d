"""The network of a model of events: forward onto the tape, and back by truncated BPTT (see tbptt.py, whose firewall
this uses). The readout sees the outputs of all layers, not only of the last (skip connections, Graves 2013, eq. 5); of
its rows only those of symbols that are known are computed, and the last two, mean and log sd of the time.
"""

import math

from numba import carray

from streamrnn.kernels.core import event_table as e
from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.learning.learning_rate import shorten
from streamrnn.kernels.learning.tbptt import guard, rests, roll_back, sound, square
from streamrnn.kernels.step.advance import tape_row


@jit
def forward(plan, row, scratch):
    """One step of all layers and the readout, onto the tape's next row."""
    p = plan.ints
    t = tape_row(plan, row)
    V, o, m = p[e.SYMBOLS], p[c.OUTPUTS], p[e.JOINED]
    joined = shift(row.net, p[c.TOPS] + t * m)
    source, at = shift(row.net, p[c.INPUT]), 0
    for number in range(p[c.LAYERS]):
        layer = shift(plan.layers, number * c.LAYER_WIDTH)
        state, units = shift(row.net, layer[c.LAYER_STATE]), layer[c.LAYER_SHAPE + 1]
        call(
            layer[c.FORWARD],
            shift(layer, c.LAYER_SHAPE),
            shift(row.params, p[c.PARAMS] + layer[c.LAYER_PARAMS]),
            state,
            shift(row.net, layer[c.LAYER_TAPE]),
            source,
            shift(scratch.f32, p[c.SCRATCH_LAYER]),
            t,
        )
        for i in range(units):
            joined[at + i] = state[i]
        source, at = state, at + units
    n = row.counts[p[e.KNOWN]]
    h, readout = carray(joined, m), p[c.PARAMS] + p[c.READOUT]
    out, b = carray(shift(row.net, p[c.RAW] + t * o), o), carray(shift(row.params, readout + m * o), o)
    for i in range(n):
        out[i] = b[i]
    out[V], out[V + 1] = b[V], b[V + 1]
    dots(carray(shift(row.params, readout), (n, m)), h, out[:n])
    dots(carray(shift(row.params, readout + V * m), (2, m)), h, out[V:])
    carray(shift(row.net, p[c.GRADIENT] + t * o), o)[:] = 0


@jit
def back_through_readout(plan, row, scratch, first, rows):
    """Gradient of the readout and of the joined outputs; returns the latter (rows, JOINED)."""
    p = plan.ints
    V, o, m, n = p[e.SYMBOLS], p[c.OUTPUTS], p[e.JOINED], row.counts[p[e.KNOWN]]
    D = carray(shift(scratch.f32, p[e.SCRATCH_DELTA]), (rows, n))
    T = carray(shift(scratch.f32, p[e.SCRATCH_DELTA] + rows * n), (rows, 2))
    for t in range(rows):
        gradient = carray(shift(row.net, p[c.GRADIENT] + (first + t) * o), o)
        D[t] = gradient[:n]
        T[t] = gradient[V:]
    Y = carray(shift(row.net, p[c.TOPS] + first * m), (rows, m))
    readout, G = p[c.PARAMS] + p[c.READOUT], p[c.SCRATCH_GRADIENT] + p[c.READOUT]
    fold(D, Y, carray(shift(scratch.f32, G), (n, m)))
    fold(T, Y, carray(shift(scratch.f32, G + V * m), (2, m)))
    sums(D, carray(shift(scratch.f32, G + o * m), n))
    sums(T, carray(shift(scratch.f32, G + o * m + V), 2))
    dY = carray(shift(scratch.f32, p[c.SCRATCH_DY]), (rows, m))
    dY[:] = 0
    for t in range(rows):
        matvec(carray(shift(row.params, readout), (n, m)), D[t], dY[t])
        matvec(carray(shift(row.params, readout + V * m), (2, m)), T[t], dY[t])
    return dY


@jit
def backward(plan, row, scratch, first, last):
    """Gradient of the events on rows first..last-1 of the tape, into the scratch."""
    p, rows = plan.ints, last - first
    G = carray(shift(scratch.f32, p[c.SCRATCH_GRADIENT]), p[c.PARAMS_LENGTH])
    G[:] = 0
    dJ = back_through_readout(plan, row, scratch, first, rows)
    end, dx, dy = p[e.JOINED], p[c.SCRATCH_DX], p[e.SCRATCH_DELTA]
    for s in range(p[c.LAYERS]):
        layer = shift(plan.layers, (p[c.LAYERS] - 1 - s) * c.LAYER_WIDTH)
        units = layer[c.LAYER_SHAPE + 1]
        end -= units
        D, X = carray(shift(scratch.f32, dy), (rows, units)), carray(shift(scratch.f32, dx), (rows, units))
        for t in range(rows):
            for i in range(units):
                D[t, i] = dJ[t, end + i] + (X[t, i] if s > 0 else D.dtype.type(0))
        call(
            layer[c.BACKWARD],
            shift(layer, c.LAYER_SHAPE),
            shift(row.params, p[c.PARAMS] + layer[c.LAYER_PARAMS]),
            shift(row.net, layer[c.LAYER_TAPE]),
            shift(row.net, p[c.KEEP]),
            shift(scratch.f32, dy),
            shift(scratch.f32, dx),
            shift(scratch.f32, p[c.SCRATCH_GRADIENT] + layer[c.LAYER_PARAMS]),
            shift(scratch.f32, p[c.SCRATCH_LAYER]),
            first,
            last,
        )
    return G


@jit
def learn(plan, row, scratch):
    """One update from the events since the last one. Returns the outcome's bits."""
    p, q = plan.ints, row.count
    events, start = q[c.LABELS], q[c.WRITTEN] - q[c.POSITION]
    last = q[c.NEWEST] - start + 1
    oldest = max(q[c.OLDEST] - start, 0)
    first = max(0, min(last - p[c.WINDOW], oldest))
    q[c.LABELS] = 0
    G = backward(plan, row, scratch, first, last)
    used = (last - oldest) * p[c.OUTPUTS]
    carray(shift(row.net, p[c.GRADIENT] + oldest * p[c.OUTPUTS]), used)[:] = 0
    if rests(row.counts):
        return c.RESTED
    norm = math.sqrt(square(G)) / events
    if not norm < math.inf:
        return c.SKIPPED | (0 if sound(plan, row) else roll_back(plan, row))
    row.counts[c.STEPS] += 1
    call(
        p[c.OPTIMISE],
        p[c.PARAMS_LENGTH],
        shift(row.params, p[c.PARAMS]),
        shift(scratch.f32, p[c.SCRATCH_GRADIENT]),
        shift(row.params, p[c.OPTIMISER]),
        plan.reals,
        shorten(plan, G, norm, events),
        plan.reals[c.RATE],
        row.counts[c.STEPS],
    )
    return guard(plan, row)
