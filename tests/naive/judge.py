"""Intervals and anomaly score of one target: conformal tracking, the tail's surprise, the score, the severity."""

import math
from dataclasses import dataclass

from streamrnn.kernels.conformal import GAIN, LARGEST, PATIENCE

TAU = 0.02


@dataclass
class Interval:
    """Both bounds, in usual errors, and the usual size of the scores."""

    low: float
    high: float
    range: float = 0.0
    count: int = 0

    def track(self, score: float, level: float, ahead: int) -> None:
        """Quantile tracking: a bound that was missed moves out, one that held moves in a little.

        The step follows three times the mean size of the scores, over all of them or the last hundred.
        """
        miss = (1.0 - level) / 2.0
        self.count += 1
        share = max(1.0 / self.count, 0.01)
        self.range = (1.0 - share) * self.range + share * 3.0 * min(abs(score), LARGEST)
        step = GAIN * self.range / (1.0 + ahead / PATIENCE)
        above, below = score > self.high, score < self.low
        self.high += step * (1.0 - miss) if above else -step * miss
        self.low -= step * (1.0 - miss) if below else -step * miss
        if self.low > self.high:
            self.low = self.high = (self.low + self.high) / 2.0


@dataclass
class Tail:
    """The 98 % quantile of the errors and the mean relative excess over it."""

    start: float = 3.0
    excess: float = 0.0
    count: float = 0.0

    def surprise(self, a: float) -> float:
        """-ln P(error >= a), told before it is learned from."""
        mean = max((5.0 * 0.1 + self.excess) / (5.0 + self.count), 0.05)
        if a > self.start:
            over = (a - self.start) / self.start
            value = min(-math.log(TAU * math.exp(-over / mean)) if over / mean < 600 else math.inf, 690.0)
            self.excess = 0.998 * self.excess + min(over, 4.0 * mean)
            self.count = 0.998 * self.count + 1.0
            self.start *= 1.0 + 0.05 * (1.0 - TAU)
        else:
            value = -math.log(TAU) * a / self.start
            self.start *= 1.0 - 0.05 * TAU
        self.start = max(self.start, 0.5)
        return value


def score(p: float, rate: float) -> float:
    """0 for p = 1, a half at p = rate, towards 1 beyond."""
    return 1.0 - 0.5 ** (math.log(p) / math.log(rate))


def severity(p: float, rate: float) -> int:
    """How many of the three limits p lies at or under."""
    return sum(p <= limit for limit in (rate, 0.1 * rate, 0.001 * rate))
