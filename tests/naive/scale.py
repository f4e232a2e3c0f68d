"""Running moments and the stream's clock."""

import math
from dataclasses import dataclass, field


def moments(mean: float, variance: float, x: float, rate: float) -> tuple[float, float]:
    """Exponentially weighted: mean' = (1 - a) mean + a x; variance' = (1 - a) (variance + a (x - mean)^2)."""
    return (1.0 - rate) * mean + rate * x, (1.0 - rate) * (variance + rate * (x - mean) ** 2)


def bounded(x: float, mean: float, variance: float, count: float) -> float:
    """As far from the mean as 8 standard deviations, of a scale that rests on 30 values."""
    reach = 8.0 * variance**0.5 if count >= 30 and variance > 0 else math.inf
    return max(mean - reach, min(mean + reach, x))


def standardise(x: float, mean: float, variance: float) -> float:
    """Cut to five standard deviations; 0 without a spread."""
    return max(-5.0, min(5.0, (x - mean) / variance**0.5)) if variance > 0 else 0.0


def median(values: list[float]) -> float:
    """The upper median."""
    return sorted(values)[len(values) // 2]


@dataclass
class Clock:
    """Time, the median of the last 15 intervals, and the count of regular steps."""

    time: float
    step: int = 0
    interval: float = 0.0
    elapsed: float = 0.0  # log of the last interval over the usual one
    intervals: list[float] = field(default_factory=list)
    soon: int = 0  # much shorter ones in a row

    def tick(self, time: float) -> int:
        """Move on; returns how many regular steps were skipped."""
        dt, skipped = time - self.time, 0
        self.elapsed = math.log(max(dt / self.interval, 0.01)) if self.interval > 0 else 0.0
        if self.interval > 0 and dt > 1.5 * self.interval:
            skipped = round(dt / self.interval) - 1
        self.time = time
        self.step += skipped + 1
        self.soon = self.soon + 1 if self.interval > 0 and dt < 0.1 * self.interval else 0
        if dt > 0 and not 0 < self.soon < 8:
            self.intervals.append(dt)
            self.interval = median(self.intervals[-15:])
        return skipped
