"""Conformal tracking of one target at one horizon."""

from dataclasses import dataclass

from streamrnn.kernels.monitors.conformal import GAIN, LARGEST, PATIENCE


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
