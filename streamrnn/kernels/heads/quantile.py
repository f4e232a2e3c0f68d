"""Quantile head: N quantiles of the standardised target that cannot cross, by the pinball loss.

Output m = N // 2 is the median; every other output is a gap to its neighbour nearer to the median, made positive by
softplus: q_i = q_(i-1) + softplus(o_i) above, q_i = q_(i+1) - softplus(o_i) below. The loss is the sum over the levels
a_i of (a_i - 1[y < q_i]) (y - q_i) (Koenker and Bassett 1978, eq. 3.1), whose pull is bounded whatever comes.

Rejected: N free quantiles and a penalty, which cross when it matters (after a shift).
"""

import math

from numba import carray

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.heads.contract import grad_part, read_part


@jit
def softplus(x):
    """ln(1 + e^x) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@jit
def logistic(x):
    """The slope of softplus."""
    small = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else small) / (1.0 + small)


@jit
def side(out, g, reals, y, m, sign):
    """Loss of the quantiles on one side of the median; g gets their gaps' gradients. Returns it and their sum.

    First every g is the slope by its own quantile; then, from the outermost inwards, each gap gathers all beyond it.
    """
    total, q, slopes = 0.0, float(out[m]), 0.0
    for i in range(1, m + 1):
        at = m + sign * i
        q += sign * softplus(float(out[at]))
        slope = (1.0 if y < q else 0.0) - reals[at]
        total += slope * (q - y)
        g[at] = slope
    for i in range(m):
        at = m + sign * (m - i)
        slopes += float(g[at])
        g[at] = sign * slopes * logistic(float(out[at]))
    return total, slopes


@grad_part
def grad(n, o, y, d, reals, loss):
    """Reals: the levels a (N), ascending, a_m = 1/2. Outputs: gaps below, median, gaps above."""
    out, g = carray(o, n), carray(d, n)
    m = n // 2
    below, left = side(out, g, reals, y, m, -1)
    above, right = side(out, g, reals, y, m, 1)
    slope = (1.0 if y < float(out[m]) else 0.0) - 0.5
    loss[0] = below + above + slope * (float(out[m]) - y)
    g[m] = out[m] if math.isnan(float(out[m])) else left + right + slope


@read_part
def read(n, o, reals, f):
    """The median."""
    f[0] = o[n // 2]
