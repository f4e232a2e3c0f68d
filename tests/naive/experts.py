"""Naive experts, each an object that remembers everything it was told.

observe(y, step), settle(k, change, time), forecast(steps, last, step, time, interval) mean what they mean in the
kernel; `skipped` is not needed, since a step without a value is simply not in the history.
"""

import math
from typing import Any

import numpy as np

from streamrnn import spec


class Last:
    """Persistence."""

    def __init__(self, horizons: int, period: float, size: int) -> None:
        self.horizons = horizons

    def observe(self, y: float, step: int) -> None:
        pass

    def settle(self, k: int, change: float, time: float) -> None:
        pass

    def forecast(self, steps: list[int], last: float, step: int, time: float, interval: float) -> list[float]:
        return [last] * self.horizons


class Seasonal:
    """The value a whole number of seasons before the step that is asked for, if it is among the last `size` steps."""

    def __init__(self, horizons: int, period: float, size: int) -> None:
        self.period, self.size = period, size
        self.history: dict[int, float] = {}

    def observe(self, y: float, step: int) -> None:
        self.history[step] = y

    def settle(self, k: int, change: float, time: float) -> None:
        pass

    def forecast(self, steps: list[int], last: float, step: int, time: float, interval: float) -> list[float]:
        season = round(self.period / interval) if interval > 0 else 0
        if not 2 <= season <= self.size:
            return [last] * len(steps)
        wanted = [step + h - season * math.ceil(h / season) for h in steps]
        return [self.history.get(at, last) for at in wanted]


class Profile:
    """Last value plus a robust running mean of the change from this bin of the period on."""

    def __init__(self, horizons: int, period: float, size: int) -> None:
        self.period, self.bins = period, size
        self.change, self.count = np.zeros((size, horizons)), np.zeros((size, horizons))
        self.spread: list[float] = [0.0] * horizons

    def bin_of(self, time: float) -> int:
        return min(
            int(math.fmod(math.fmod(time, self.period) + self.period, self.period) / self.period * self.bins),
            self.bins - 1,
        )

    def observe(self, y: float, step: int) -> None:
        pass

    def settle(self, k: int, change: float, time: float) -> None:
        b = self.bin_of(time)
        miss = change - self.change[b, k]
        limit = 0.5 * self.spread[k] if self.spread[k] > 0 else abs(miss)
        self.count[b, k] += 1
        self.change[b, k] += max(0.1, 1.0 / self.count[b, k]) * float(np.clip(miss, -limit, limit))
        if self.spread[k] > 0:
            self.spread[k] = 0.98 * self.spread[k] + 0.02 * abs(miss)
        else:
            self.spread[k] = abs(miss)

    def forecast(self, steps: list[int], last: float, step: int, time: float, interval: float) -> list[float]:
        return [last + float(value) for value in self.change[self.bin_of(time)]]


EXPERTS: dict[type[Any], Any] = {spec.Last: Last, spec.Seasonal: Seasonal, spec.Profile: Profile}
