"""The mix of context tables and network: one distribution, as good as the best of them and usually better.

First a log-linear pool with weights that are learned by descent (logistic mixing, Mattern 2013, for any alphabet):

    P(s) ~ exp(sum_m w_m log P_m(s))        w_m += rate (log P_m(s*) - sum_s P(s) log P_m(s))

There is a set of weights for each length of the longest context that was found and each state of its entry. Then,
since descent promises nothing, a Bayesian average of that mix, the network alone and the longest table alone, with a
fixed share of the weight spread anew at each event (Herbster and Warmuth 1998): its total of bits is above that of the
best of the three by at most log2(3) and a little per switch. Last a floor, so that no symbol costs more than
log2(n / FLOOR).
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Contexts
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.heads.categorical import softmax

RATE = 0.001
SWITCH = 1e-4
FLOOR = 1e-6


@jit
def weights_of(plan, row, scratch):
    """The weights (M) that go with the contexts that were found."""
    p = plan.ints
    members = p[Program.TABLES] + 1
    return carray(
        shift(row.params, p[Program.MIXER] + (scratch.own[1] * Contexts.STATES + scratch.own[2]) * members), members
    )


@jit
def network_logs(plan, scratch, logits, n):
    """The network's distribution over n symbols and its logarithm, as the last member of the mix.

    A network that has gone bad counts as having no opinion until the firewall has put it back.
    """
    p = plan.ints
    V, K = p[Program.SYMBOLS], p[Program.TABLES]
    share = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + (K + 1) * V), V)
    log = carray(shift(scratch.f32, p[Program.SCRATCH_LOGS] + K * V), V)
    whole = softmax(logits, share, n)
    if math.isfinite(whole):
        for s in range(n):
            log[s] = logits[s] - log.dtype.type(whole)
    else:
        share[:n] = log.dtype.type(1.0 / n)
        log[:n] = log.dtype.type(-math.log(n))


@jit
def mix(plan, row, scratch, n):
    """What is published: (V) into the scratch."""
    p = plan.ints
    V, K = p[Program.SYMBOLS], p[Program.TABLES]
    mixed, final = (
        carray(shift(scratch.f32, p[Program.SCRATCH_MIXED]), V),
        carray(shift(scratch.f32, p[Program.SCRATCH_FINAL]), V),
    )
    w = weights_of(plan, row, scratch)
    final[:n] = 0
    for m in range(K + 1):
        log, weight = carray(shift(scratch.f32, p[Program.SCRATCH_LOGS] + m * V), V), w[m]
        for s in range(n):
            final[s] += weight * log[s]
    softmax(final, mixed, n)
    belief = carray(shift(row.params, p[Program.BELIEF]), Contexts.CANDIDATES)
    table = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + K * V), V)
    network = carray(shift(scratch.f32, p[Program.SCRATCH_SHARES] + (K + 1) * V), V)
    real = final.dtype.type
    most = real(1.0 - FLOOR)
    a, b, d = most * belief[0], most * belief[1], most * belief[2]
    floor = real(FLOOR / n)
    for s in range(n):
        final[s] = a * mixed[s] + b * network[s] + d * table[s] + floor


@jit
def learn(plan, row, scratch, s, n):
    """Symbol s came: move the weights that were used, and the belief."""
    p = plan.ints
    V, K = p[Program.SYMBOLS], p[Program.TABLES]
    mixed = carray(shift(scratch.f32, p[Program.SCRATCH_MIXED]), V)
    w = weights_of(plan, row, scratch)
    real = mixed.dtype.type
    for m in range(K + 1):
        log = carray(shift(scratch.f32, p[Program.SCRATCH_LOGS] + m * V), V)
        mean = real(0)
        for i in range(n):
            mean += mixed[i] * log[i]
        w[m] += real(RATE) * (log[s] - mean)
    belief = carray(shift(row.params, p[Program.BELIEF]), Contexts.CANDIDATES)
    shares = (
        float(mixed[s]),
        float(scratch.f32[p[Program.SCRATCH_SHARES] + (K + 1) * V + s]),
        float(scratch.f32[p[Program.SCRATCH_SHARES] + K * V + s]),
    )
    total = 0.0
    for j in range(Contexts.CANDIDATES):
        total += belief[j] * shares[j]
    if not total > 0.0:
        return
    for j in range(Contexts.CANDIDATES):
        belief[j] = (1.0 - SWITCH) * belief[j] * shares[j] / total + SWITCH / Contexts.CANDIDATES
