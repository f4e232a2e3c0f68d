"""Categorical head: softmax over the symbols that are known, trained by likelihood, in nats.

The probabilities stay on the tape; the gradient of -ln p(s) by the outputs is p - onehot(s) (Bridle 1990), made when
the tape is walked back. Numbers that are not finite give no finite probability: the firewall sees them.
"""

import math

from streamrnn.kernels.core.jit import jit


@jit
def softmax(o, p, n):
    """p = exp(o) / sum exp(o) over the first n; returns ln sum exp(o). From the largest down: nothing overflows."""
    most = o[0]
    for i in range(1, n):
        most = max(most, o[i])
    total = 0.0
    for i in range(n):
        p[i] = math.exp(o[i] - most)
        total += p[i]
    scale = p.dtype.type(1.0 / total)
    for i in range(n):
        p[i] *= scale
    return float(most) + math.log(total)


@jit
def grad(p, s, d, n):
    """d = p - onehot(s): gradient of -ln p(s) by the first n outputs."""
    for i in range(n):
        d[i] = p[i]
    d[s] -= p.dtype.type(1)


@jit
def rank(p, s, n):
    """1 + how many of the first n are likelier than symbol s."""
    place = 1
    mine = p[s]
    for i in range(n):
        place += p[i] > mine
    return place


@jit
def best(p, n):
    """The likeliest of the first n; the first one of equals."""
    place = 0
    for i in range(1, n):
        place = i if p[i] > p[place] else place
    return place


@jit
def likeliest(p, n, places, count):
    """Write the indices of the `count` largest of the first n, largest first, ties in order; -1 beyond n."""
    for k in range(count):
        best = -1
        for i in range(n):
            taken = False
            for j in range(k):
                taken = taken or places[j] == i
            if not taken and (best < 0 or p[i] > p[best]):
                best = i
        places[k] = best
