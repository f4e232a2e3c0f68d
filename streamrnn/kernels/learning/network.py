"""The network on the tape: all layers and the readout at one row, and the loss of one of its answers."""

from numba import carray

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots


@jit
def fade(state, kept):
    """Multiply a state with what is left of it."""
    if kept != 1:
        for i in range(len(state)):
            state[i] *= kept


@jit
def through(plan, row, scratch, memory, source, t, part):
    """The inputs at `source` (I) through all layers, whose states at `memory` move on, and out at row t of the tape.

    `part` is the column of the layers' part to call: FORWARD as it is lived, TRAIN when a window is run again.
    """
    p = plan.ints
    o, m = p[c.OUTPUTS], p[c.TOP]
    for number in range(p[c.LAYERS]):
        layer = shift(plan.layers, number * c.LAYER_WIDTH)
        state = shift(memory, layer[c.LAYER_STATE] - p[c.MEMORY_F32])
        call(
            layer[part],
            shift(layer, c.LAYER_SHAPE),
            shift(row.params, p[c.PARAMS] + layer[c.LAYER_PARAMS]),
            state,
            shift(row.net, layer[c.LAYER_TAPE]),
            source,
            shift(scratch.f32, p[c.SCRATCH_LAYER]),
            t,
        )
        source = state
    h = carray(source, m)
    top = carray(shift(row.net, p[c.TOPS] + t * m), m)
    out = carray(shift(row.net, p[c.RAW] + t * o), o)
    V = carray(shift(row.params, p[c.PARAMS] + p[c.READOUT]), (o, m))
    b = carray(shift(row.params, p[c.PARAMS] + p[c.READOUT] + m * o), o)
    for i in range(o):
        out[i] = b[i]
    for i in range(m):
        top[i] = h[i]
    dots(V, h, out)


@jit
def grade(plan, row, t, answer, target, loss):
    """An answer (of T K, targets by horizons) to the forecasts of row t is known: the gradient at its outputs.

    `loss` is where the loss itself goes.
    """
    p = plan.ints
    offset = t * p[c.OUTPUTS] + p[c.HEAD_WIDTH] * answer
    call(
        p[c.HEAD_GRAD],
        p[c.HEAD_WIDTH],
        shift(row.net, p[c.RAW] + offset),
        target,
        shift(row.net, p[c.GRADIENT] + offset),
        shift(plan.reals, c.HEAD_REALS),
        loss,
    )
