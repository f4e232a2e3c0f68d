"""The network of a model of events: forward onto the tape, and back by truncated BPTT (see tbptt.py, whose firewall
this uses). The readout sees the outputs of all layers, not only of the last (skip connections, Graves 2013, eq. 5); of
its rows only those of symbols that are known are computed, and the last two, mean and log sd of the time.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Updates
from streamrnn.kernels.core.linalg import dots, fold, matvec, sums
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Layer, Program, Reals
from streamrnn.kernels.learning.learning_rate import shorten
from streamrnn.kernels.learning.network import fade
from streamrnn.kernels.learning.tape import tape_row
from streamrnn.kernels.learning.tbptt import guard, rests, roll_back, sound, square


@jit
def forward(plan, row, scratch):
    """One step of all layers and the readout, onto the tape's next row."""
    p = plan.ints
    t = tape_row(plan, row)
    fade(carray(shift(row.net, p[Program.MEMORY_F32]), p[Program.MEMORY_LENGTH]), row.net[p[Program.KEEP] + t])
    V, o, m = p[Program.SYMBOLS], p[Program.OUTPUTS], p[Program.JOINED]
    joined = shift(row.net, p[Program.TOPS] + t * m)
    source, at = shift(row.net, p[Program.INPUT]), 0
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        state, units = shift(row.net, layer[Layer.STATE]), layer[Layer.SHAPE + 1]
        call(
            layer[Layer.FORWARD],
            shift(layer, Layer.SHAPE),
            shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS]),
            state,
            shift(row.net, layer[Layer.TAPE]),
            source,
            shift(scratch.f32, p[Program.SCRATCH_LAYER]),
            t,
        )
        for i in range(units):
            joined[at + i] = state[i]
        source, at = state, at + units
    n = row.counts[p[Program.KNOWN_SYMBOLS]]
    h, readout = carray(joined, m), p[Program.PARAMS] + p[Program.READOUT]
    out, b = carray(shift(row.net, p[Program.RAW] + t * o), o), carray(shift(row.params, readout + m * o), o)
    for i in range(n):
        out[i] = b[i]
    out[V], out[V + 1] = b[V], b[V + 1]
    dots(carray(shift(row.params, readout), (n, m)), h, out[:n])
    dots(carray(shift(row.params, readout + V * m), (2, m)), h, out[V:])
    carray(shift(row.net, p[Program.GRADIENT] + t * o), o)[:] = 0


@jit
def back_through_readout(plan, row, scratch, first, rows):
    """Gradient of the readout and of the joined outputs; returns the latter (rows, JOINED)."""
    p = plan.ints
    V, o, m, n = p[Program.SYMBOLS], p[Program.OUTPUTS], p[Program.JOINED], row.counts[p[Program.KNOWN_SYMBOLS]]
    D = carray(shift(scratch.f32, p[Program.SCRATCH_DELTA]), (rows, n))
    T = carray(shift(scratch.f32, p[Program.SCRATCH_DELTA] + rows * n), (rows, 2))
    for t in range(rows):
        gradient = carray(shift(row.net, p[Program.GRADIENT] + (first + t) * o), o)
        D[t] = gradient[:n]
        T[t] = gradient[V:]
    Y = carray(shift(row.net, p[Program.TOPS] + first * m), (rows, m))
    readout, G = p[Program.PARAMS] + p[Program.READOUT], p[Program.SCRATCH_GRADIENT] + p[Program.READOUT]
    fold(D, Y, carray(shift(scratch.f32, G), (n, m)))
    fold(T, Y, carray(shift(scratch.f32, G + V * m), (2, m)))
    sums(D, carray(shift(scratch.f32, G + o * m), n))
    sums(T, carray(shift(scratch.f32, G + o * m + V), 2))
    dY = carray(shift(scratch.f32, p[Program.SCRATCH_DY]), (rows, m))
    dY[:] = 0
    for t in range(rows):
        matvec(carray(shift(row.params, readout), (n, m)), D[t], dY[t])
        matvec(carray(shift(row.params, readout + V * m), (2, m)), T[t], dY[t])
    return dY


@jit
def backward(plan, row, scratch, first, last):
    """Gradient of the events on rows first..last-1 of the tape, into the scratch."""
    p, rows = plan.ints, last - first
    G = carray(shift(scratch.f32, p[Program.SCRATCH_GRADIENT]), p[Program.PARAMS_LENGTH])
    G[:] = 0
    dJ = back_through_readout(plan, row, scratch, first, rows)
    end, dx, dy = p[Program.JOINED], p[Program.SCRATCH_DX], p[Program.SCRATCH_DELTA]
    for s in range(p[Program.LAYERS]):
        layer = shift(plan.layers, (p[Program.LAYERS] - 1 - s) * Layer.WIDTH)
        units = layer[Layer.SHAPE + 1]
        end -= units
        D, X = carray(shift(scratch.f32, dy), (rows, units)), carray(shift(scratch.f32, dx), (rows, units))
        for t in range(rows):
            for i in range(units):
                D[t, i] = dJ[t, end + i] + (X[t, i] if s > 0 else D.dtype.type(0))
        call(
            layer[Layer.BACKWARD],
            shift(layer, Layer.SHAPE),
            shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS]),
            shift(row.net, layer[Layer.TAPE]),
            shift(row.net, p[Program.KEEP]),
            shift(scratch.f32, dy),
            shift(scratch.f32, dx),
            shift(scratch.f32, p[Program.SCRATCH_GRADIENT] + layer[Layer.PARAMS]),
            shift(scratch.f32, p[Program.SCRATCH_LAYER]),
            first,
            last,
        )
    return G


@jit
def learn(plan, row, scratch):
    """One update from the events since the last one. Returns the outcome's bits."""
    p, q = plan.ints, row.count
    events, start = q[Count.LABELS], q[Count.WRITTEN] - q[Count.POSITION]
    last = q[Count.NEWEST] - start + 1
    oldest = max(q[Count.OLDEST] - start, 0)
    first = max(0, min(last - p[Program.WINDOW], oldest))
    q[Count.LABELS] = 0
    G = backward(plan, row, scratch, first, last)
    used = (last - oldest) * p[Program.OUTPUTS]
    carray(shift(row.net, p[Program.GRADIENT] + oldest * p[Program.OUTPUTS]), used)[:] = 0
    if rests(row.counts):
        return Bit.RESTED
    norm = math.sqrt(square(G)) / events
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
        shorten(plan, G, norm, events),
        plan.reals[Reals.RATE],
        row.counts[Updates.STEPS],
    )
    return guard(plan, row)
