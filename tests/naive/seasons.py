"""The history of a target that remembers everything it was told, and regressors read off it one by one."""

import math

from streamrnn.kernels.experts import seasons as s


class History:
    """Values by step, and per season the running level of every bin; `ring` steps back are remembered."""

    def __init__(self, periods: tuple[float, float], ring: int, bins: tuple[int, int]) -> None:
        self.periods, self.ring, self.room = periods, ring, bins
        self.values: dict[int, float] = {}
        self.levels: list[dict[int, float]] = [{}, {}]
        self.counts: list[dict[int, int]] = [{}, {}]
        self.steps = [0, 0]
        self.bins = [0, 0]
        self.coming: list[float] = []  # what is known of the time to come
        self.shared: list[float] = []  # and what all targets see of the features

    def slot(self, season: int, time: float) -> int:
        phase = (time / self.periods[season]) % 1.0
        return math.floor(phase * self.bins[season] + 0.5) % self.bins[season]

    def observe(self, y: float, step: int, time: float, interval: float) -> None:
        self.values[step] = y
        for season, seconds in enumerate(self.periods):
            steps = math.floor(seconds / interval + 0.5) if interval > 0 and seconds >= 3 * interval else 0
            self.steps[season] = steps
            bins = min(steps, self.room[season])
            if abs(bins - self.bins[season]) > 0.2 * self.bins[season]:
                self.bins[season], self.levels[season], self.counts[season] = bins, {}, {}
            if bins > 0 and not math.isnan(y):
                b = self.slot(season, time)
                count = self.counts[season].get(b, 0) + 1
                rate = max((0.1, 0.2)[season] * self.bins[season] / steps, 1.0 / count)
                before = self.levels[season].get(b, 0.0)
                self.levels[season][b], self.counts[season][b] = before + rate * (y - before), count

    def value(self, step: int, back: int, otherwise: float) -> float:
        y = self.values.get(step - back, math.nan) if 0 <= back < self.ring else math.nan
        return otherwise if math.isnan(y) else y

    def level(self, season: int, time: float, otherwise: float) -> float:
        if self.bins[season] == 0 or self.steps[season] == 0:
            return otherwise
        return self.levels[season].get(self.slot(season, time), otherwise)

    def regressor(self, row: list[int], lags: int, last: float, step: int, time: float, interval: float) -> float:
        """One row of the plan's table, in the units of the data."""
        what, season, a, b = row
        if what in (s.COMING, s.SHARED):
            return self.coming[a] if what == s.COMING else self.shared[a]
        steps = self.steps[season]
        if what == s.CONSTANT:
            return 1.0
        if what == s.LAG:
            return self.value(step, a, last)
        if what == s.SEASON_LAG:
            back = a * steps - b
            repeated = season == 0 and 0 < self.steps[1] <= back + 1
            return last if steps == 0 or back <= lags or repeated else self.value(step, back, last)
        if what == s.LEVEL:
            return self.level(season, time + (a + (b * steps + 12) // 24) * interval, last) if steps else last
        if steps <= 2 * a:
            return 0.0
        angle = 2 * math.pi * a * (time + b * interval) / self.periods[season]
        return math.sin(angle) if what == s.SINE else math.cos(angle)
