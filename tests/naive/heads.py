"""Heads: the loss of one label as in its definition, its gradient by central differences, the point it predicts."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec

Array = NDArray[np.float64]


def gaussian(o: Array, y: float, head: spec.Gaussian) -> float:
    """-ln N(y; o_0, exp(o_1)), where nothing is clipped."""
    sd = math.exp(o[1])
    return 0.5 * ((y - o[0]) / sd) ** 2 + math.log(sd * math.sqrt(2.0 * math.pi))


def student(o: Array, y: float, head: spec.Student) -> float:
    """-ln of the density of o_0 + exp(o_1) T, T Student's t."""
    s, k = math.exp(o[1]), head.dof
    density = math.gamma((k + 1) / 2) / (math.sqrt(k * math.pi) * math.gamma(k / 2))
    return -math.log(density * (1 + ((y - o[0]) / s) ** 2 / k) ** (-(k + 1) / 2) / s)


def quantiles(o: Array) -> Array:
    """The quantiles that the outputs mean."""
    middle = len(o) // 2
    gaps = np.log1p(np.exp(o))
    up, down = np.cumsum(gaps[middle + 1 :]), np.cumsum(gaps[:middle][::-1])[::-1]
    return np.concatenate([o[middle] - down, [o[middle]], o[middle] + up])


def quantile(o: Array, y: float, head: spec.Quantile) -> float:
    """Pinball loss, summed over the levels."""
    return sum(max(a * (y - q), (a - 1) * (y - q)) for a, q in zip(head.levels, quantiles(o), strict=True))


def probability(o: Array) -> float:
    return 1.0 / (1.0 + math.exp(-o[0]))


def binary(o: Array, y: float, head: spec.Binary) -> float:
    """Cross entropy."""
    return -math.log(probability(o) if y == 1 else 1.0 - probability(o))


class Twin(NamedTuple):
    loss: Callable[[Array, float, Any], float]
    read: Callable[[Array], float]


HEADS: dict[type[Any], Twin] = {
    spec.Gaussian: Twin(gaussian, lambda o: float(o[0])),
    spec.Student: Twin(student, lambda o: float(o[0])),
    spec.Quantile: Twin(quantile, lambda o: float(quantiles(o)[len(o) // 2])),
    spec.Binary: Twin(binary, probability),
}


def grad(head: spec.Head, o: Array, y: float, e: float = 1e-5) -> Array:
    """Of the loss by every output."""
    loss = HEADS[type(head)].loss
    return np.array([(loss(o + e * way, y, head) - loss(o - e * way, y, head)) / (2 * e) for way in np.eye(len(o))])
