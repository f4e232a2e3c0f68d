"""Run a window again with the weights of now, so that its gradient is that of one network and not of several.

With stride < window the rows of a window were lived under different weights, and the plain rule goes back through the
activations of then ("stale"). With `recompute`, the tape also keeps what each row started from: the inputs, the state
before it, and the answers to its forecasts. At an update the window is lived again from the state that was stored at
its first row; outputs and their losses are computed anew, and then comes the ordinary backward pass. The live state is
not touched, and stored states stay as they were lived.

How stale the plain rule is (`python -m tests.benchmarks.staleness`: Mackey-Glass, 16 units, window 16, Adam, medians
of cosine and relative distance between the stale gradient and that of now, and how much lower the median loss ends that
always recomputes, in nats; 3 seeds, 3,000 steps):

    rate .002 (the default)    Elman                     GRU                       LSTM
    stride 1                   .9993   .07    -.12       .9997   .06    -.07       .9988   .11    +.04
    stride 4                   .9995   .06    +.03       .9999   .02    +.01       .9994   .09    +.08
    stride 8                   .9990   .05    +.01       .9999   .02    +.00       .9994   .06    +.04
    ten times that rate
    stride 1                   .9975   .11    +.00       .9909   .18    +.05       .9991   .08    +.02
    stride 8                   .9986   .08    -.00       .9995   .05    +.05       .9995   .05    +.01

So the plain rule stays the default: the direction is right to a thousandth, what recomputing gains is as large as what
the seed changes, and it costs a second forward pass over the window.

A layer that does something else while it is trained (dropout) has a part of its own for this pass: see TRAIN.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.program import Layer, Program
from streamrnn.kernels.layers.contract import H, M
from streamrnn.kernels.layers.dropout import draw
from streamrnn.kernels.learning.network import fade, grade, through


@jit
def remember(plan, row, t):
    """Keep what row t starts from; nothing has been answered yet."""
    p = plan.ints
    inputs, memory, answers = p[Program.INPUTS], p[Program.MEMORY_LENGTH], p[Program.TARGETS] * p[Program.HORIZONS]
    x, state = carray(shift(row.net, p[Program.INPUT]), inputs), carray(shift(row.net, p[Program.MEMORY_F32]), memory)
    kept = carray(shift(row.net, p[Program.PAST] + t * inputs), inputs)
    before = carray(shift(row.net, p[Program.BEFORE] + t * memory), memory)
    for i in range(inputs):
        kept[i] = x[i]
    for i in range(memory):
        before[i] = state[i]
    carray(shift(row.net, p[Program.ANSWERS] + t * answers), answers)[:] = math.nan


@jit
def drop(plan, row, first, last):
    """Draw what the dropout layers leave out at rows first..last-1."""
    p = plan.ints
    if p[Program.DRAWN] < 0:
        return
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        if layer[Layer.DROPS]:
            shape = shift(layer, Layer.SHAPE)
            masks = carray(shift(row.net, layer[Layer.TAPE] + first * shape[H]), (last - first) * shape[H])
            row.count[p[Program.DRAWN]] = draw(masks, shape[M], row.count[p[Program.DRAWN]])


@jit
def relive(plan, row, scratch, first, last):
    """Live rows first..last-1 of the tape again: activations, outputs and the gradients at them."""
    p = plan.ints
    memory, answers = p[Program.MEMORY_LENGTH], p[Program.TARGETS] * p[Program.HORIZONS]
    state = carray(shift(scratch.f32, p[Program.SCRATCH_STATE]), memory)
    before = carray(shift(row.net, p[Program.BEFORE] + first * memory), memory)
    for i in range(memory):
        state[i] = before[i]
    drop(plan, row, first, last)
    for t in range(first, last):
        if t > first:
            fade(state, row.net[p[Program.KEEP] + t])
        source = shift(row.net, p[Program.PAST] + t * p[Program.INPUTS])
        through(plan, row, scratch, shift(scratch.f32, p[Program.SCRATCH_STATE]), source, t, Layer.TRAIN)
        given = carray(shift(row.net, p[Program.ANSWERS] + t * answers), answers)
        for answer in range(answers):
            if not math.isnan(given[answer]):
                grade(plan, row, t, answer, given[answer], scratch.f64)
                given[answer] = math.nan
