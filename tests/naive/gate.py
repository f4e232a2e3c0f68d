"""The gated mix as one softmax over log weights and logits, and its loss."""

import math

import numpy as np

from streamrnn.kernels.experts.gate import LEAST


def shares(weights, logits):
    """softmax(ln(w + LEAST) + o)."""
    scores = [math.log(w + LEAST) + o for w, o in zip(weights, logits, strict=True)]
    raw = np.exp(np.array(scores) - max(scores))
    return raw / raw.sum()


def loss(weights, logits, forecasts, y, unit):
    """Half the square of the gated error over the usual one."""
    return 0.5 * ((float(shares(weights, logits) @ np.array(forecasts)) - y) / unit) ** 2
