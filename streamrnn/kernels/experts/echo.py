"""What all targets of a stream see of its features: a reservoir, their last values, products of these.

The reservoir (Jaeger 2001, echo state network) is a recurrent network that nothing trains: every unit has LINKS
incoming links from other units, of one size and either sign, and weights to at most WIDEST features, to the harmonics
of both seasons and to a constant. Links and weights are bits of a hash of the unit's number, so a stream keeps only
the states of its units:

    s_i <- tanh( LINK sum_k sign_ik s_(source_ik) + GAIN (sum_f a_if u_f + sum_c b_ic c_c + d_i) )

LINK is .9 / sqrt(LINKS), which gives a radius of about .9; weights are uniform in +-1. u are the features of this
observation, standardised, 0 where one is missing or in doubt. Their moments hardly move once FIRST values are known:
what a weight of the read-out means must not waver, least of all beside products. c are the harmonics of seasons of at
most LONGEST steps: longer ones would move the reservoir for hours without being seen whole. Linear experts read the
states and their squares as regressors (`spec.Echo`), beside the last values of all features and products of the newest
ones: together the forecast is linear in what can be learned exactly, and nonlinear in what all features did before.

Rejected: a dense reservoir, which was no better; leaky units and other radii (.9 to 1.2), which were as good; twice as
many units in place of the squares, which were worse.
"""

import math

import numpy as np
from numba import carray

from streamrnn.kernels.core.activations import tanh
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import gate, seasons

LINKS, WIDEST = 4, 4
LINK, GAIN = 0.9 / math.sqrt(LINKS), 0.5
STRETCH = 5.0  # of a state as a regressor: beside standardised values its prior must not starve it
FIRST, SLOW = 200.0, 0.00002  # values that the moments of a feature rest on; the rate at which they move from then on,
FAR = 4.0  # but 1 / FIRST where it is so many deviations off: then they follow
CLIP = 8.0  # standard deviations: a feature further off counts as this
LONGEST = 2048  # steps
MEAN, VARIANCE, COUNT, MOMENTS = range(4)
MOST = 8  # newest values that are multiplied with each other
SPREAD, FINISH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
BYTE, WORD, SOURCE = np.uint64(0xFF), np.uint64(0xFFFF), np.uint64(0x7FFF)


@jit
def bits(unit, part):
    """64 bits of a unit's number."""
    h = np.uint64(4 * unit + part + 1) * SPREAD
    h ^= h >> np.uint64(29)
    h *= FINISH
    return h ^ (h >> np.uint64(32))


@jit
def weight(h, place):
    """One of eight weights that 64 bits hold, in +-1."""
    return np.int64((h >> np.uint64(8 * place)) & BYTE) / 127.5 - 1.0


@jit
def driven(unit, u, features, c):
    """What drives a unit from outside: features u, harmonics c, its constant."""
    h, total = bits(unit, 1), 0.0
    for link in range(min(features, WIDEST)):
        total += weight(h, link) * u[(unit * WIDEST + link) % features if features > WIDEST else link]
    total += weight(h, WIDEST)
    first, second = bits(unit, 2), bits(unit, 3)
    for i in range(gate.HARMONICS):
        total += weight(first if i < 8 else second, i % 8) * c[i]
    return total


@jit
def stir(states, units, before, u, features, c):
    """One step of the reservoir, states (units) in place; `before` (units) is room."""
    for i in range(units):
        before[i] = states[i]
    for i in range(units):
        h, total = bits(i, 0), 0.0
        for k in range(LINKS):
            word = (h >> np.uint64(16 * k)) & WORD
            source = np.int64(((word & SOURCE) * np.uint64(units)) >> np.uint64(15))
            total += before[source] if word > SOURCE else -before[source]
        states[i] = tanh(LINK * total + GAIN * driven(i, u, features, c))


@jit
def products(lagged, count, out):
    """Products of each two of the first `count` numbers, squares too. Returns how many."""
    place = 0
    for a in range(min(count, MOST)):
        for b in range(a + 1):
            out[place] = lagged[a] * lagged[b]
            place += 1
    return place


@jit
def standard(own, v, learn):
    """A feature's value by its own moments (MOMENTS), which move on with `learn`; 0 when it is missing."""
    if math.isnan(v):
        return 0.0
    sd = math.sqrt(max(own[VARIANCE], 0.0))
    d = v - own[MEAN] if own[COUNT] < FIRST else min(max(v - own[MEAN], -CLIP * sd), CLIP * sd)
    if learn:
        own[COUNT] += 1.0
        rate = 1.0 / own[COUNT] if own[COUNT] <= FIRST else 1.0 / FIRST if abs(d) > FAR * sd else SLOW
        own[MEAN] += rate * d
        own[VARIANCE] = (1.0 - rate) * (own[VARIANCE] + rate * d * d)
    if not own[VARIANCE] > 0.0:
        return 0.0
    return min(max((v - own[MEAN]) / math.sqrt(own[VARIANCE]), -CLIP), CLIP)


@jit
def calendar(history, time, c):
    """Harmonics of both seasons into c (gate.HARMONICS), 0 of one that is longer than LONGEST."""
    gate.calendar(history, time, c)
    first = 2 * gate.ORDERS[0]
    for season in range(2):
        if history[seasons.STEPS + season] > LONGEST:
            for i in range(first if season else 0, gate.HARMONICS if season else first):
                c[i] = 0.0


@jit
def harvest(state, units, u, features, lags, c, out, room):
    """One observation: move on the reservoir and the last values, and tell them as regressors.

    state: states (units), values of the last `lags` observations (lags, features), the newest first. out: the states,
    stretched, and their squares; with several features their last values and the products of the newest.
    `room` (units).
    """
    stir(state, units, room, u, features, c)
    for i in range(units):
        out[i] = STRETCH * state[i]
        out[units + i] = STRETCH * state[i] * state[i]
    if lags == 0:
        return
    ring = carray(shift(state, units), lags * features)
    for i in range(lags * features - 1, features - 1, -1):
        ring[i] = ring[i - features]
    for f in range(features):
        ring[f] = u[f]
    into = shift(out, 2 * units)
    for i in range(lags * features):
        into[i] = ring[i]
    products(into, min(lags, 2) * features, shift(into, lags * features))
