"""The reservoir with its links and weights written out as matrices, and all observations remembered."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.kernels.experts import echo, gate

Array = NDArray[np.float64]
WORD = 2**64


def bits(unit: int, part: int) -> int:
    h = (4 * unit + part + 1) * 0x9E3779B97F4A7C15 % WORD
    h ^= h >> 29
    h = h * 0xBF58476D1CE4E5B9 % WORD
    return h ^ (h >> 32)


def weight(h: int, place: int) -> float:
    return (h >> 8 * place & 0xFF) / 127.5 - 1.0


class Reservoir:
    """States of N units that F features drive; `lags` observations are told beside them."""

    def __init__(self, units: int, features: int, lags: int) -> None:
        self.lags = lags
        self.links, self.inputs = np.zeros((units, units)), np.zeros((units, features + 1 + gate.HARMONICS))
        for i in range(units):
            for k in range(echo.LINKS):
                word = bits(i, 0) >> 16 * k & 0xFFFF
                self.links[i, (word & 0x7FFF) * units >> 15] += echo.LINK if word > 0x7FFF else -echo.LINK
            for link in range(min(features, echo.WIDEST)):
                f = (i * echo.WIDEST + link) % features if features > echo.WIDEST else link
                self.inputs[i, f] += echo.GAIN * weight(bits(i, 1), link)
            self.inputs[i, features] = echo.GAIN * weight(bits(i, 1), echo.WIDEST)
            for c in range(gate.HARMONICS):
                self.inputs[i, features + 1 + c] = echo.GAIN * weight(bits(i, 2 + c // 8), c % 8)
        self.states, self.seen = np.zeros(units), list[Array]()

    def harvest(self, u: Array, c: Array) -> Array:
        """The regressors after one more observation."""
        driven = np.concatenate([u, [1.0], c])
        self.states = np.tanh(self.links @ self.states + self.inputs @ driven)
        self.seen.append(u)
        told: list[Any] = [echo.STRETCH * self.states, echo.STRETCH * self.states**2]
        if self.lags:
            none = np.zeros_like(u)
            past = [self.seen[-1 - lag] if lag < len(self.seen) else none for lag in range(self.lags)]
            newest = np.concatenate(past[:2])[: echo.MOST]
            told += [*past, [newest[a] * newest[b] for a in range(len(newest)) for b in range(a + 1)]]
        return np.concatenate(told)
