"""Binary head: the probability p = sigmoid(logit) that the label is 1, by its likelihood (an absolute head).

The loss is -ln p for 1 and -ln(1 - p) for 0, in nats, written so that it never overflows: ln(1 + e^l) - y l.
"""

import math

from numba import carray

from streamrnn.kernels.heads.contract import grad_part, innovate_part, read_part

LEAST_INFORMATION = 0.02  # of one label: what a forecast of .02 has


@grad_part
def grad(n, o, y, d, reals, loss):
    """d logit = p - y. Output: logit."""
    out, g = carray(o, 1), carray(d, 1)
    logit = float(out[0])
    small = math.exp(-abs(logit))
    loss[0] = max(logit, 0.0) + math.log1p(small) - y * logit
    p = (1.0 if logit >= 0.0 else small) / (1.0 + small)
    g[0] = logit if math.isnan(logit) else p - y


@read_part
def read(n, o, reals, f):
    """The probability of a 1."""
    logit = float(o[0])
    small = math.exp(-abs(logit))
    f[0] = (1.0 if logit >= 0.0 else small) / (1.0 + small)


@innovate_part
def innovate(n, o, y, noise, reals, out):
    """(y - p) / I and 1 / I at the logit, I = p (1 - p), of at least LEAST_INFORMATION."""
    logit = float(o[0])
    small = math.exp(-abs(logit))
    p = (1.0 if logit >= 0.0 else small) / (1.0 + small)
    information = max(p * (1.0 - p), LEAST_INFORMATION)
    out[0], out[1] = logit if math.isnan(logit) else (y - p) / information, 1.0 / information
