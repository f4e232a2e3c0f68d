"""Gaussian head: mean and log standard deviation of the standardised target, by likelihood.

The loss is -ln N(y; mean, sd) in nats. The standardised error is clipped to +-LIMIT in its gradient, so that one
outlier moves the weights no further than a large ordinary error (Huber 1964), and the log sd to [-4, 4], where nothing
pushes it further out.
"""

import math

from numba import carray

from streamrnn.kernels.heads.contract import grad_part, innovate_part, read_part

LIMIT = 3.0
BOUND = 4.0
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@grad_part
def grad(n, o, y, d, reals, loss):
    """u = (y - mean) / sd; d mean = -u / sd, d log sd = 1 - u^2. Outputs: mean, log sd."""
    out, g = carray(o, 2), carray(d, 2)
    log = min(max(float(out[1]), -BOUND), BOUND)
    sd = math.exp(log)
    u = (y - float(out[0])) / sd
    loss[0] = 0.5 * u * u + log + HALF_LOG_2PI
    u = min(max(u, -LIMIT), LIMIT)
    g[0] = -u / sd
    pull = 1.0 - u * u
    outward = (log <= -BOUND and pull > 0) or (log >= BOUND and pull < 0)
    g[1] = 0.0 if outward else pull


@read_part
def read(n, o, reals, f):
    """The mean."""
    f[0] = o[0]


@innovate_part
def innovate(n, o, y, noise, reals, out):
    """y - mean, with the running variance itself: the filter's own takes the place of the log sd."""
    out[0], out[1] = y - float(o[0]), noise
