"""Experts, each an object over a history that remembers everything it was told.

observe(y, step, time, interval), settle(k, y, anchor, time, step), forecast(last, mean, sd, step, time, interval) mean
what they mean in the kernel.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.experts import linear
from streamrnn.kernels.experts import seasons as s
from streamrnn.model.history import past
from streamrnn.model.parts import EXPERTS as EXPERT
from tests.naive.seasons import History
from tests.naive.smooth import Smoothing


class Last:
    """Persistence."""

    def __init__(
        self, expert: Any, horizons: tuple[int, ...], periods: tuple[float, float] = (0.0, 0.0), history: int = 64,
        known: int = 0,
    ) -> None:  # fmt: skip
        self.expert, self.horizons = expert, horizons
        own = past((expert,), horizons, history, known)
        self.table, self.lags, self.read = own.table.tolist(), own.lags, own.read
        self.history = History(periods, own.ring, own.bins)

    def observe(self, y: float, step: int, time: float, interval: float) -> None:
        self.history.observe(y, step, time, interval)

    def settle(self, k: int, y: float, anchor: float, time: float, step: int) -> None:
        pass

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        return [last] * len(self.horizons)


class Seasonal(Last):
    """The value a whole number of seasons before the step that is asked for, if it is still remembered."""

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        season = self.history.steps[self.expert.season - 1]
        if season == 0:
            return [last] * len(self.horizons)
        return [self.history.value(step, season * math.ceil(h / season) - h, last) for h in self.horizons]


class Change(Last):
    """Last value plus the change over the same steps whole seasons ago."""

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        season = self.history.steps[self.expert.season - 1]
        found = []
        for h in self.horizons:
            back = season * math.ceil(h / season) if season else 0
            change = self.history.value(step, back - h, math.nan) - self.history.value(step, back, math.nan)
            found.append(last if season == 0 or math.isnan(change) else last + change)
        return found


class Level(Last):
    """The running level of the bin in which the step falls that is asked for."""

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        return [self.history.level(self.expert.season - 1, time + h * interval, last) for h in self.horizons]


class Profile(Last):
    """Last value plus a robust running mean of the change from this bin of the period on."""

    def __init__(self, expert: Any, horizons: tuple[int, ...], *more: Any) -> None:
        super().__init__(expert, horizons, *more)
        self.change, self.count = np.zeros((expert.bins, len(horizons))), np.zeros((expert.bins, len(horizons)))
        self.spread: list[float] = [0.0] * len(horizons)

    def bin_of(self, time: float) -> int:
        period, bins = self.expert.period, self.expert.bins
        return min(int(math.fmod(math.fmod(time, period) + period, period) / period * bins), bins - 1)

    def settle(self, k: int, y: float, anchor: float, time: float, step: int) -> None:
        b = self.bin_of(time)
        miss = y - anchor - self.change[b, k]
        limit = 0.5 * self.spread[k] if self.spread[k] > 0 else abs(miss)
        self.count[b, k] += 1
        self.change[b, k] += max(0.1, 1.0 / self.count[b, k]) * float(np.clip(miss, -limit, limit))
        if self.spread[k] > 0:
            self.spread[k] = 0.98 * self.spread[k] + 0.02 * abs(miss)
        else:
            self.spread[k] = abs(miss)

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        return [last + float(value) for value in self.change[self.bin_of(time)]]


class Smooth(Last):
    """Exponential smoothing in many settings."""

    def __init__(self, expert: Any, horizons: tuple[int, ...], *more: Any) -> None:
        super().__init__(expert, horizons, *more)
        self.models = Smoothing(expert.steps)

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        m = self.history.steps[0]
        known = not math.isnan(self.history.value(step, 0, math.nan))
        self.models.take(last, step, known, m if 1 < m <= self.expert.steps else 1)
        return [self.models.predict(h, step) for h in self.horizons]


def root(y: float) -> float:
    """Signed square root."""
    return math.copysign(math.sqrt(abs(y)), y)


class Linear(Last):
    """Delayed recursive least squares with a whole matrix P, and all rows and gains kept for ever."""

    def __init__(self, expert: Any, horizons: tuple[int, ...], *more: Any) -> None:
        super().__init__(expert, horizons, *more)
        n = len(self.table)
        self.P = linear.FIRST * np.eye(n) / expert.forget
        self.w = np.zeros((len(horizons), n))
        self.usual = [0.0] * len(horizons)
        self.clip = EXPERT[type(expert)].reals(expert)[1]
        self.beyond = linear.FURTHER if self.read else linear.BEYOND
        self.rows: dict[int, tuple[NDArray[Any], NDArray[Any], float, Any]] = {}
        self.above, self.over = True, 1.0  # whether no value was below 0; the usual deviation over that of now

    def rooted(self) -> bool:
        return bool(self.expert.root) and self.above

    def row(self, last: float, scale: float, step: int, time: float, interval: float) -> NDArray[Any]:
        x, seen = [], root if self.rooted() else float
        for entry in self.table:
            z = self.history.regressor(entry, self.lags, last, step, time, interval)
            if entry[s.WHAT] in (s.LAG, s.SEASON_LAG, s.LEVEL):
                z = float(np.clip((seen(z) - seen(last)) / scale, -s.REACH, s.REACH))
            x.append(z * self.over if entry[s.WHAT] == s.SHARED else z)
        return np.array(x)

    def settle(self, k: int, y: float, anchor: float, time: float, step: int) -> None:
        if step not in self.rows:
            return
        x, gain, scale, seen = self.rows[step]
        z = float(np.clip((seen(y) - seen(anchor)) / scale, -s.REACH, s.REACH))
        e = z - float(self.w[k] @ x)
        if self.expert.root:
            bound = self.clip * self.usual[k]
            self.usual[k] += linear.SLOW * (abs(e) - self.usual[k]) if bound > 0 else abs(e)
            e = float(np.clip(e, -bound, bound)) if bound > 0 else e
        self.w[k] += e * gain

    def forecast(self, last: float, mean: float, sd: float, step: int, time: float, interval: float) -> list[float]:
        rooted = self.rooted()
        scale = 0.5 * sd / math.sqrt(max(abs(mean), sd)) if rooted and sd > 0 else sd
        if scale <= 0:
            return [last] * len(self.horizons)
        x = self.row(last, scale, step, time, interval)
        u = self.P @ x
        d = self.expert.forget + float(x @ u)
        self.rows[step] = (x, u / d, scale, root if rooted else float)
        P = self.P.copy()
        D = np.where(np.diag(P) > linear.LARGEST, math.sqrt(0.5), 1.0)
        self.P = D[:, None] * (P - np.outer(u, u) / d) * D / self.expert.forget
        own = x[: len(x) - self.read]
        low, high = min(0.0, own.min()), max(0.0, own.max())
        room = self.beyond * (high - low)
        changes = scale * np.clip(self.w @ x, low - room, high + room)
        if not rooted:
            return [last + float(change) for change in changes]
        return [(root(last) + float(change)) * abs(root(last) + float(change)) for change in changes]


EXPERTS: dict[type[Any], Any] = {
    spec.Last: Last,
    spec.Seasonal: Seasonal,
    spec.Change: Change,
    spec.Level: Level,
    spec.Profile: Profile,
    spec.Smooth: Smooth,
    spec.Linear: Linear,
    spec.Echo: Linear,
}
