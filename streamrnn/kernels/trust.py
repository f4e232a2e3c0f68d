"""How far a network is trusted to learn: signs that its weights have gone bad, and the rest it is given.

Three signs put the last good weights back: numbers that are not finite, weights ten times as large as they have been
for long, and a network that *adds* error: its loss far above twice that of the forecast without it, in usual errors,
smoothed over some 32 labels. The comparison with the forecast beside it is what tells bad weights from hard times: when
the series itself changes both are wrong, and there is nothing to put back.

Who falls three times within 1024 updates that were due is given a rest of as many: the readout is emptied, so that the
network says nothing and the experts foretell, the labels are passed by, and then it begins anew on the layers it has.
Everything is counted in the row's own updates, so a replay decides the same.

A network that is merely useless needs none of this: the aggregation (mix.py) takes its weight away within some tens of
labels, and what is published is then the experts' forecast.

Rejected: the loss itself against its own mean and deviation. It rises with every change of regime, and three of those
would have silenced the network just when there is something to learn.
"""

from numba import carray

from streamrnn.kernels import mix
from streamrnn.kernels import table as c
from streamrnn.kernels.call import shift
from streamrnn.kernels.jit import jit

MEMORY = 1.0 / 32.0  # share by which the smoothed excess moves with a label
HARD = 2.0  # times the loss without the network
HARMFUL = 4.0  # excess of the squared usual error at which weights are put back
SUSPECT = 0.5  # and from which they are not kept as good ones
GROWTH = 10.0  # times the slow mean of the weights' norm
SLOW = 1.0 / 16.0  # share by which that mean moves, with every look at the weights
FALLS = 3
SPAN = 1024  # updates due, in which so many falls are too many; and how long the rest lasts


@jit
def weigh(plan, row, y, base, own, unit):
    """The label y has come: what the network's forecast `own` cost against the one without it."""
    excess = mix.loss((y - own) / unit) - HARD * mix.loss((y - base) / unit)
    at = plan.ints[c.TRUST] + c.EXCESS
    row.params[at] += MEMORY * (excess - row.params[at])


@jit
def harmful(plan, row):
    """Whether the network adds error."""
    return row.params[plan.ints[c.TRUST] + c.EXCESS] > HARMFUL


@jit
def proven(plan, row):
    """Whether the weights may be kept as good ones."""
    return row.params[plan.ints[c.TRUST] + c.EXCESS] <= SUSPECT


@jit
def grown(plan, row, norm):
    """Whether the weights' norm is far above what it has been for long; otherwise that follows it."""
    at = plan.ints[c.TRUST] + c.NORM
    usual = row.params[at]
    if usual > 0.0 and norm > GROWTH * usual:
        return True
    row.params[at] += (SLOW if usual > 0.0 else 1.0) * (norm - usual)
    return False


@jit
def fall(plan, row):
    """The weights have been put back: count it, and begin a rest when it has happened too often."""
    p, counts = plan.ints, row.counts
    row.params[p[c.TRUST] + c.EXCESS] = 0
    if counts[c.FALLEN] == 0 or counts[c.DUE] - counts[c.FELL] > SPAN:
        counts[c.FALLEN], counts[c.FELL] = 0, counts[c.DUE]
    counts[c.FALLEN] += 1
    if counts[c.FALLEN] < FALLS:
        return 0
    for weights in (p[c.PARAMS], p[c.GOOD]):
        carray(shift(row.params, weights + p[c.READOUT]), p[c.PARAMS_LENGTH] - p[c.READOUT])[:] = 0
    counts[c.FALLEN], counts[c.REST] = 0, counts[c.DUE] + SPAN
    return c.RESTED


@jit
def resting(row):
    """Whether the network is at rest."""
    return row.counts[c.DUE] < row.counts[c.REST]
