"""Aggregation of experts per target and horizon: Bernstein online aggregation (Wintenberger 2017, with the learning
rates of algorithm 1 and a little forgetting). Its loss is never far above the best expert's for long.

Record of one target and horizon, N = E + 1 experts: weights (N), R (N), V (N), M (N). The last expert is the network,
whose forecast is the *base* (the other experts in the same proportions, without it) plus its own output: so an
untrained network changes nothing, and a bad one loses its weight.

Rejected: exponential weights with one rate, which would have to be tuned per stream.
"""

import math

from streamrnn.kernels.jit import jit

FORGET = 0.0005
SLOPE = 2.0  # the loss is Huber's: beyond this many usual errors it grows linearly
REACH = 20.0  # an expert's distance counts up to this many usual errors


@jit
def blend(record, f, n):
    """The base: weighted mean of the first n forecasts f, by the record's weights."""
    total, value = 0.0, 0.0
    for e in range(n):
        total += record[e]
        value += record[e] * f[e]
    return value / total if total > 0 else f[0]


@jit
def update(record, f, mixed, y, unit):
    """The label y has come: f (N) and `mixed` as they were issued, `unit` the usual error then."""
    n = len(f)
    w, R, V, M = record[:n], record[n : 2 * n], record[2 * n : 3 * n], record[3 * n : 4 * n]
    slope = min(max((mixed - y) / unit, -SLOPE), SLOPE)
    top = -math.inf
    for e in range(n):
        r = 2.0 * slope * min(max((mixed - f[e]) / unit, -REACH), REACH)
        M[e] = max(M[e], abs(r))
        V[e] = (1.0 - FORGET) * V[e] + r * r
        eta = min(0.5 / M[e], math.sqrt(math.log(n) / V[e]))
        R[e] = (1.0 - FORGET) * R[e] + r - eta * r * r
        w[e] = math.log(eta) + eta * R[e]
        top = max(top, w[e])
    total = 0.0
    for e in range(n):
        w[e] = math.exp(w[e] - top) + 1e-12
        total += w[e]
    for e in range(n):
        w[e] /= total
