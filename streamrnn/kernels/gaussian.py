"""Gaussian head: mean and log standard deviation of the standardised target, by likelihood.

grad(o, y, d): o = (mean, log sd), y the target; writes the gradient of -ln N(y; mean, sd) into d. The standardised
error is clipped to +-LIMIT so that one outlier moves the weights no further than a large ordinary error (Huber 1964),
and the log sd to [-4, 4], where nothing pushes it further out.
"""

import math

from numba import carray, types

from streamrnn.kernels.jit import family

LIMIT = 3.0
BOUND = 4.0


def _grad(real):
    return types.void(types.CPointer(real), types.float64, types.CPointer(real))


head_part = family(_grad)


@head_part
def grad(o, y, d):
    """u = (y - mean) / sd; d mean = -u / sd, d log sd = 1 - u^2."""
    out, g = carray(o, 2), carray(d, 2)
    log = min(max(float(out[1]), -BOUND), BOUND)
    sd = math.exp(log)
    u = (y - float(out[0])) / sd
    u = min(max(u, -LIMIT), LIMIT)
    g[0] = -u / sd
    pull = 1.0 - u * u
    outward = (log <= -BOUND and pull > 0) or (log >= BOUND and pull < 0)
    g[1] = 0.0 if outward else pull
