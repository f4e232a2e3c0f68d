"""Drift detectors: each reads one number an observation and says when their mean has changed.

update(reals, state, x, out)
    Take x. Writes to `out` (WIDTH): FOUND, 1 where a change is found and 0 elsewhere; and of a change the mean BEFORE
    it, the mean AFTER it, and how long AGO it began, in numbers taken.

A state of zeros is fresh. float64.
"""

from numba import types

from streamrnn.kernels.core.jit import family

REAL = types.float64
REALS = types.CPointer(REAL)
part = family(lambda real: types.void(REALS, REALS, REAL, REALS))
FOUND, BEFORE, AFTER, AGO = range(4)
WIDTH = 4
