"""Optimisers as in their papers; `reals` are rate and decays by name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec

Array = NDArray[np.float64]


def adam(w: Array, g: Array, state: Array, optimiser: spec.Adam, step: int) -> tuple[Array, Array]:
    """Algorithm 1 of Kingma and Ba (2015), line by line. Returns the new w and state (m, v)."""
    m, v = np.split(state, 2)
    m = optimiser.beta1 * m + (1.0 - optimiser.beta1) * g
    v = optimiser.beta2 * v + (1.0 - optimiser.beta2) * g**2
    corrected_m = m / (1.0 - optimiser.beta1**step)
    corrected_v = v / (1.0 - optimiser.beta2**step)
    shrunk = w - optimiser.rate * optimiser.decay * w
    moved = shrunk - optimiser.rate * corrected_m / (np.sqrt(corrected_v) + 1e-8)
    return capped(w, moved, optimiser), np.concatenate([m, v])


def rmsprop(w: Array, g: Array, state: Array, optimiser: spec.RmsProp, step: int) -> tuple[Array, Array]:
    """Divide by a running average of the gradient's size (Tieleman and Hinton 2012, lecture 6.5)."""
    v = optimiser.decay * state + (1.0 - optimiser.decay) * g**2
    return capped(w, w - optimiser.rate * g / (np.sqrt(v) + 1e-8), optimiser), v


def obgd(w: Array, g: Array, state: Array, optimiser: spec.Obgd, step: int) -> tuple[Array, Array]:
    """The step is divided by the overshoot M = rate kappa |g|_1 where that exceeds 1 (Elsayed et al. 2024)."""
    overshoot = optimiser.rate * optimiser.kappa * np.abs(g).sum()
    return capped(w, w - (optimiser.rate / max(overshoot, 1.0)) * g, optimiser), state


def sgd(w: Array, g: Array, state: Array, optimiser: spec.Sgd, step: int) -> tuple[Array, Array]:
    """Momentum (Polyak 1964)."""
    v = optimiser.momentum * state + g
    return capped(w, w - optimiser.rate * v, optimiser), v


def capped(w: Array, moved: Array, optimiser: spec.Optimiser) -> Array:
    """No weight moves further than the cap."""
    return w + np.clip(moved - w, -optimiser.cap, optimiser.cap) if optimiser.cap else moved


def clip(g: Array, labels: int, limit: float, value: float = 0.0) -> Array:
    """Mean gradient of so many labels, every number cut to `value` (0: none), then all to norm `limit`."""
    mean = np.clip(g / labels, -value, value) if value else g / labels
    norm = float(np.sqrt(np.sum(mean**2)))
    return mean if norm <= limit else mean * (limit / norm)


OPTIMISERS: dict[type[Any], Any] = {
    spec.Adam: adam,
    spec.RmsProp: rmsprop,
    spec.Sgd: sgd,
    spec.Obgd: obgd,
}
