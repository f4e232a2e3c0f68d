"""The network as gate over the experts: its logits o lean on the weights w that the aggregation has learned.

    p_e = (w_e + LEAST) exp(o_e) / sum        gated = sum p_e f_e

So an untrained gate (o = 0) is the mix, and a trained one knows when which expert is right: from the hidden state, the
calendar, and how far the experts are apart now. One vector of logits serves all horizons of a target. The loss is half
the square of the error over the usual one; its gradient at o_e is u p_e (f_e - gated) / unit, u = (gated - y) / unit
clipped to +-LIMIT.

Whatever the network says, it moves the forecast by at most LIMIT usual errors from the mix: in a burst the experts are
hundreds of them apart, and the inputs, which are bounded, cannot tell which of them is right.

Rejected: a gate without the prior w, which was better on the series it was tuned on and unsafe on others; a logit for
every horizon, which was no better and learns more slowly.
"""

import math

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import seasons

LEAST = 0.01
LIMIT = 3.0
REACH = 5.0  # an input counts up to this many units
ORDERS = (2, 3)  # harmonics of the shorter and the longer season
HARMONICS = 2 * (ORDERS[0] + ORDERS[1])


@jit
def blend(w, o, f, p, n):
    """The gated forecast from weights w, logits o and forecasts f (n); writes the shares p (n)."""
    top, total, value = -math.inf, 0.0, 0.0
    for e in range(n):
        top = max(top, float(o[e]))
    for e in range(n):
        p[e] = (w[e] + LEAST) * math.exp(float(o[e]) - top)
        total += p[e]
    for e in range(n):
        p[e] /= total
        value += p[e] * f[e]
    return value


@jit
def near(gated, base, unit):
    """The gated forecast, no further from the mix `base` than LIMIT usual errors."""
    return min(max(gated, base - LIMIT * unit), base + LIMIT * unit)


@jit
def pull(p, f, gated, y, unit, g, n):
    """The answer y has come: add the gradient at the logits to g (n)."""
    u = min(max((gated - y) / unit, -LIMIT), LIMIT)
    for e in range(n):
        g[e] += u * p[e] * min(max((f[e] - gated) / unit, -REACH), REACH)


@jit
def cut(x):
    """x within +-REACH."""
    return min(max(x, -REACH), REACH)


@jit
def look(f, w, last, sd, unit, k, x, n, horizons):
    """How far the experts' forecasts f (n, K) stand from their mix at horizon k, in usual errors; writes x (n + 1).

    The last input is how far the mix stands from the last value, in standard deviations of the target.
    """
    base = 0.0
    for e in range(n):
        base += w[e] * f[e * horizons + k]
    for e in range(n):
        x[e] = cut((f[e * horizons + k] - base) / unit)
    x[n] = cut((base - last) / sd) if sd > 0.0 else 0.0


@jit
def calendar(history, time, x):
    """Sines and cosines of both seasons into x (HARMONICS), 0 where there is no such season."""
    place = 0
    for season in range(2):
        known = history[seasons.STEPS + season] > 0.0
        seconds = history[seasons.SECONDS + season]
        phase = time / seconds if known else 0.0
        turn = 2.0 * math.pi * (phase - math.floor(phase))
        for order in range(1, ORDERS[season] + 1):
            x[place] = math.sin(order * turn) if known else 0.0
            x[place + 1] = math.cos(order * turn) if known else 0.0
            place += 2
