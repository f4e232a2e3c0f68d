"""Aggregation of experts per target and horizon: Bernstein online aggregation (Wintenberger 2017, with the learning
rates of algorithm 1 and a little forgetting). Its loss is never far above the best expert's for long.

Two rounds per target and horizon. The first mixes the E experts into the *base*; the network predicts what the base
will miss; the second mixes {base, base + network}. So an untrained network changes nothing and a bad one loses its
weight. The record of a round over n forecasts is weights (n), R (n), V (n), M (n); the two stand one after the other.

The regret of an expert is half the difference of the losses, half its linear part. The linear part alone finds the
best *combination*, but lets an expert that is far off and merely uncorrelated with the error keep a tenth of the
weight; the difference alone finds only the best expert.

Rejected: exponential weights with one rate, which would have to be tuned per stream.
"""

import math

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit

FORGET = 0.002  # a memory of five hundred settled forecasts: shorter ones lose on load curves and after single outliers
FORGET_LAST = 0.01  # a network can go wrong within a few updates, and must lose its weight as fast
SLOPE = 4.0  # the loss is Huber's: beyond this many usual errors it grows linearly
REACH = 5.0  # an expert's distance counts up to this many usual errors
FAR = 1e6  # nothing is further off, in usual errors: after a run of zeros any value would be infinitely far
EXACT = 0.5  # share of the loss itself in the regret, beside its linear part
MELT = 300.0  # answers after which half of the first bet is left
FINE = 3600.0  # seconds: at a longer interval the day has no profile, and the bet is another


@jit
def loss(x):
    """Huber's loss of a standardised error: x^2, linear beyond SLOPE."""
    a = min(abs(x), FAR)
    return a * a if a <= SLOPE else SLOPE * (2.0 * a - SLOPE)


@jit
def blend(record, f, n):
    """Weighted mean of n forecasts f by the round's weights, which sum to 1."""
    value = 0.0
    for e in range(n):
        value += record[e] * f[e]
    return value


@jit
def bets(logs, n, last_round, interval):
    """Of `logs`, the plan's priors, those that the first round of n experts bets on.

    Behind those of both rounds stands another set for values more than FINE apart: the first is on the profile of the
    day, which is none then, and series of days, months or quarters are too short to wait until it has melted.
    """
    return shift(logs, n + last_round) if interval > FINE else logs


@jit
def update(record, logs, f, mixed, y, unit, age, ahead, forget):
    """The label y has come: f (n) and their mix as they were issued, `unit` the usual error then.

    logs (n) are those of the weights one would bet on before anything was seen; the bet melts with the answers that
    came before (`age`): early it protects from what has learned little, late it must not hold back what is better.
    The rate falls with the root of the steps that the forecasts looked ahead: so many answers come of one cause
    (Joulani, Gyorgy, Szepesvari 2013, on delayed feedback).
    """
    n = len(f)
    if n < 2:
        return
    w, R, V, M = record[:n], record[n : 2 * n], record[2 * n : 3 * n], record[3 * n : 4 * n]
    miss = (mixed - y) / unit
    slope = min(max(miss, -SLOPE), SLOPE)
    own, bound, room, slow = loss(miss), SLOPE * REACH, math.log(n), 1.0 / math.sqrt(ahead)
    top = -math.inf
    for e in range(n):
        linear = 2.0 * slope * min(max((mixed - f[e]) / unit, -REACH), REACH)
        exact = min(max(own - loss((f[e] - y) / unit), -bound), bound)
        r = (1.0 - EXACT) * linear + EXACT * exact
        M[e] = max(M[e], abs(r))
        V[e] = (1.0 - forget) * V[e] + r * r
        eta = slow * min(0.5 / M[e], math.sqrt(room / V[e]))
        R[e] = (1.0 - forget) * R[e] + r - eta * r * r
        w[e] = eta
        top = max(top, eta * R[e])
    total, bet = 0.0, MELT / (MELT + age)
    for e in range(n):
        w[e] *= math.exp(w[e] * R[e] - top + bet * logs[e])
        total += w[e]
    for e in range(n):
        w[e] /= total
