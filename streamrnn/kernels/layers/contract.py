"""The signature of the layer family, and how a layer's parameters and tape are cut from a row.

forward(shape, w, state, tape, x, scratch, t)
    One time step. Reads x (I) and the state, writes the new state (its first H numbers are the output) and row t of
    the tape.
backward(shape, w, tape, keep, dy, dx, g, scratch, first, last)
    Rows first..last-1 of the tape, newest first. dy (last - first, H) is the gradient at each row's output; keep (C) is
    what the state was multiplied with before that row: 1, less after a long silence, 0 where it was reset. dx
    (last - first, I) is overwritten, where it is wanted; g gathers the gradient.

train(...), as forward
    The step again when a window is recomputed for an update; a layer that is the same in training has none.

shape is (I, H, C, M, wanted): inputs, units, rows of the tape, the kind's own setting, and whether anybody asks for
dx: below the lowest layer nobody does. Each tape quantity is a contiguous block of C rows.
"""

from numba import types

from streamrnn.kernels.core.jit import family

I, H, C, M, WANTED = 0, 1, 2, 3, 4  # noqa: E741 - the letters of the shapes


def _forward(real):
    p, n = types.CPointer(real), types.CPointer(types.int64)
    return types.void(n, p, p, p, p, p, types.int64)


def _backward(real):
    p, n = types.CPointer(real), types.CPointer(types.int64)
    return types.void(n, p, p, p, p, p, p, p, types.int64, types.int64)


forward_part = family(_forward)
backward_part = family(_backward)
