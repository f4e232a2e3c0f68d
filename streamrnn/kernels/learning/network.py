"""The network on the tape: all layers and the readout at one row, and the loss of one of its answers."""

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.linalg import dots
from streamrnn.kernels.core.program import Layer, Program, Reals


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
    o, m = p[Program.OUTPUTS], p[Program.TOP]
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        state = shift(memory, layer[Layer.STATE] - p[Program.MEMORY_F32])
        call(
            layer[part],
            shift(layer, Layer.SHAPE),
            shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS]),
            state,
            shift(row.net, layer[Layer.TAPE]),
            source,
            shift(scratch.f32, p[Program.SCRATCH_LAYER]),
            t,
        )
        source = state
    h = carray(source, m)
    top = carray(shift(row.net, p[Program.TOPS] + t * m), m)
    out = carray(shift(row.net, p[Program.RAW] + t * o), o)
    V = carray(shift(row.params, p[Program.PARAMS] + p[Program.READOUT]), (o, m))
    b = carray(shift(row.params, p[Program.PARAMS] + p[Program.READOUT] + m * o), o)
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
    offset = t * p[Program.OUTPUTS] + p[Program.HEAD_WIDTH] * answer
    call(
        p[Program.HEAD_GRAD],
        p[Program.HEAD_WIDTH],
        shift(row.net, p[Program.RAW] + offset),
        target,
        shift(row.net, p[Program.GRADIENT] + offset),
        shift(plan.reals, Reals.HEAD),
        loss,
    )
