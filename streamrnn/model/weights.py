"""The first weights of layers, drawn so that signals and gradients keep their size on the way through."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec

Array = NDArray[Any]
Weights = Callable[[np.random.Generator, Any, int, int], list[Array]]  # of a layer with I inputs and H units


def glorot(random: np.random.Generator, inputs: int, units: int) -> Array:
    """Uniform with variance 2 / (inputs + units) (Glorot and Bengio 2010, eq. 16)."""
    bound = np.sqrt(6.0 / (inputs + units))
    return random.uniform(-bound, bound, (inputs, units))


def orthogonal(random: np.random.Generator, units: int) -> Array:
    """A random orthogonal matrix (Saxe et al. 2014)."""
    q, r = np.linalg.qr(random.standard_normal((units, units)))
    return np.asarray(q * np.sign(np.diag(r)))


def gated(gates: int) -> Weights:
    def weights(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
        w = np.hstack([glorot(random, inputs, units) for _ in range(gates)])
        u = np.hstack([orthogonal(random, units) for _ in range(gates)])
        b = np.zeros(gates * units)
        if gates > 1:
            b[units : 2 * units] = 1.0  # GRU: keep gate z; LSTM: forget gate f: remember at first
        return [w, u, b]

    return weights


def ring(random: np.random.Generator, layer: spec.Lru, inputs: int, units: int) -> list[Array]:
    """Eigenvalues spread evenly over a ring of the complex plane (Orvieto et al. 2023, lemma 3.2)."""
    low, high = layer.r_min**2, layer.r_max**2
    size = np.sqrt(np.maximum(low + (high - low) * random.uniform(size=units // 2), 1e-12))
    nu = np.log(-np.log(size))
    theta = layer.phase * random.uniform(size=units // 2)
    return [random.standard_normal((inputs, units)) / np.sqrt(2 * inputs), nu, theta]


def gru_before(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    w, u, b = gated(3)(random, layer, inputs, units)
    return [w[:, : 2 * units], w[:, 2 * units :], u[:, : 2 * units], u[:, 2 * units :], b]


def dense(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return [glorot(random, inputs, units), np.zeros(units)]


def attention(random: np.random.Generator, layer: spec.Attention, inputs: int, units: int) -> list[Array]:
    """At first the weights are even, and the mean counts as much as the input itself."""
    blank = [np.zeros((inputs, inputs)), np.zeros(layer.span)]
    return [*blank, glorot(random, 2 * inputs, units), np.zeros(units)]


def memory(random: np.random.Generator, layer: spec.Memory, inputs: int, units: int) -> list[Array]:
    """At first it asks for what came after inputs like this one, which counts as much as the input itself."""
    return [2.0 * np.eye(inputs), glorot(random, 2 * inputs, units), np.zeros(units)]


def gru(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return [*gated(3)(random, layer, inputs, units), np.zeros(units)]


def peephole(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return [*gated(4)(random, layer, inputs, units), np.zeros(3 * units)]


def conv(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return dense(random, layer, layer.span * inputs, units)


def none(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return []


def norm(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return [np.ones(units), np.zeros(units)]


def embedding(random: np.random.Generator, layer: Any, inputs: int, units: int) -> list[Array]:
    return [random.uniform(-1.0, 1.0, (inputs, units)) * np.sqrt(3.0 / units)]
