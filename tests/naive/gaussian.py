"""Gaussian head: the loss, and its gradient by central differences of it."""

import math
from typing import Any

from streamrnn import spec


def loss(mean: float, log: float, y: float) -> float:
    """-ln N(y; mean, exp(log)), without the constant."""
    return 0.5 * ((y - mean) / math.exp(log)) ** 2 + log


def grad(mean: float, log: float, y: float) -> tuple[float, float]:
    """By mean and by log standard deviation, where nothing is clipped."""
    e = 1e-5
    return (
        (loss(mean + e, log, y) - loss(mean - e, log, y)) / (2 * e),
        (loss(mean, log + e, y) - loss(mean, log - e, y)) / (2 * e),
    )


HEADS: dict[type[Any], Any] = {spec.Gaussian: grad}
