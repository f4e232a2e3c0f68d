"""Room to work in: the sections of a plan's scratch, where each begins, and how much there is."""

import numpy as np
from numpy.typing import NDArray

SPARE = 0  # numbers behind every section; tests have canaries there


class Room:
    """Scratch of one type of numbers, section by section; `ints` is the program, which is told where each begins."""

    def __init__(self, ints: NDArray[np.int64], align: int = 1) -> None:
        self._ints = ints
        self._align = align
        self.width = 0
        self.ends: list[int] = []

    def section(self, place: int | None, size: int) -> None:
        """A section of `size` numbers; its beginning goes to `place` of the program."""
        if place is not None:
            self._ints[place] = self.width
        self.ends.append(self.width + size)
        self.width += -(-(size + SPARE) // self._align) * self._align
