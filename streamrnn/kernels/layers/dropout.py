"""Dropout (Srivastava et al. 2014): while a window is run again for an update, some of the outputs of the layer below
count for nothing, and the others for so much more that the mean stays:

    h = x m / (1 - p)        m = 1 with probability 1 - p, else 0

As it is lived the layer says what the layer below says: what is published is never thinned out. So a gradient that goes
back through activations as they were lived knows nothing of it, and the plan asks for a rule that recomputes.

Parameters: none. State: h (I), the output alone. Tape: m / (1 - p) (C, I). M of the shape is p in units of 2^-32.
"""

import numpy as np
from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.layers.contract import I, backward_part, forward_part

UNITS = 2**32  # of a share
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@jit
def draw(masks, share, count):
    """Fill the masks with 0, for `share` (in UNITS) of them, or 1 / (1 - share), after `count` numbers drawn before.

    SplitMix64 (Steele, Lea, Flood 2014, fig. 13): number n is a hash of n, so a count is all the state. Returns it.
    """
    one = masks.dtype.type(1)
    kept = one / (one - masks.dtype.type(share / UNITS))
    state = np.uint64(count)
    for i in range(len(masks)):
        state += np.uint64(1)
        z = state * _STEP
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(32)
        masks[i] = kept if z >= np.uint64(share) else one - one
    return np.int64(state)


@forward_part
def forward(shape, w, state, tape, x, scratch, t):
    """As it is lived: nothing is dropped."""
    n = shape[I]
    h, xs, mask = carray(state, n), carray(x, n), carray(shift(tape, t * n), n)
    one = h.dtype.type(1)
    for i in range(n):
        h[i], mask[i] = xs[i], one


@forward_part
def train(shape, w, state, tape, x, scratch, t):
    """While a window is run again: by the mask that `draw` has put on the tape."""
    n = shape[I]
    h, xs, mask = carray(state, n), carray(x, n), carray(shift(tape, t * n), n)
    for i in range(n):
        h[i] = xs[i] * mask[i]


@backward_part
def backward(shape, w, tape, keep, dy, dx, g, scratch, first, last):
    """dx = dy m / (1 - p). No scratch."""
    n, rows = shape[I], last - first
    masks = carray(shift(tape, first * n), rows * n)
    dY, dX = carray(dy, rows * n), carray(dx, rows * n)
    for i in range(rows * n):
        dX[i] = dY[i] * masks[i]
