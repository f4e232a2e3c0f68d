"""The signature of the trace family: how a recurrent layer learns forward in time, and what the traces share.

follow(shape, w, tape, keep, dy, dx, g, trace, scratch, first, last)
    Rows first..last-1 of the tape, oldest first. `trace` holds the influence J of the parameters on the state of the
    row before and is taken along to row last-1: J' = D J + I, where D is what the rule keeps of d state' / d state and
    I the immediate influence. g gathers dy_t J_t over the rows; dx (last - first, I) is overwritten by the gradient at
    the inputs through the row itself, and no other.

shape, w, tape, keep, dy: as in layer.py. What `keep` did to the state before a row it does to J.

SnAp-1 (Menick et al. 2021, sec. 3): of J only what a parameter can change within one row is kept. In a cell whose
gates act unit by unit that is the parameter's own unit, so J has about as many numbers as there are parameters, and D
comes down to its diagonal. On a diagonal recurrence nothing is left out, and SnAp-1 is exact RTRL.
"""

from numba import types

from streamrnn.kernels.core.jit import family, jit

TINY = 1e-30  # traces decay: below, they are flushed, since subnormal numbers would slow the loop tenfold


def _follow(real):
    p, n = types.CPointer(real), types.CPointer(types.int64)
    return types.void(n, p, p, p, p, p, p, p, p, types.int64, types.int64)


trace_part = family(_follow)


@jit
def carry(J, G, d, s, v, x):
    """One input x of all units: J = d J + s x, G += v J; all of one length."""
    t = J.dtype.type
    tiny, zero = t(TINY), t(0)
    for j in range(len(J)):
        a = d[j] * J[j] + s[j] * x
        a = zero if abs(a) < tiny else a
        J[j] = a
        G[j] += v[j] * a
