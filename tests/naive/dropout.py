"""SplitMix64 with Python's whole numbers, and the masks of dropout from it."""

import numpy as np
from numpy.typing import NDArray

WORD = 2**64


def splitmix(state: int) -> int:
    """The output for a state (Steele, Lea, Flood 2014, fig. 13)."""
    z = state
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def draw(size: int, share: float, count: int) -> NDArray[np.float64]:
    """Masks of numbers count + 1 and on."""
    numbers = [splitmix((count + i + 1) * 0x9E3779B97F4A7C15 % WORD) / WORD for i in range(size)]
    return np.array([0.0 if number < share else 1.0 / (1.0 - share) for number in numbers])
