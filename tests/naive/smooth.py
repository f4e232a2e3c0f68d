"""Exponential smoothing, one model after the other, with all values remembered and sums worked out anew."""

import math
from typing import NamedTuple

from streamrnn.kernels.experts import smooth as s


class Setting(NamedTuple):
    """Of one model."""

    alpha: float
    beta: float
    phi: float
    gamma: float
    logs: bool


SETTINGS = [
    Setting(alpha, beta, phi, gamma, logs)
    for logs in (False, True)
    for gamma in reversed(s.GAMMA)
    for beta, phi in zip(s.BETA, s.PHI, strict=True)
    for alpha in s.ALPHA
]


class Model:
    """Level, trend and season of one setting."""

    def __init__(self, setting: Setting, y: float) -> None:
        self.set, self.base = setting, y
        self.level = self.seen(y) if not setting.logs or y > 0 else 0.0
        self.trend, self.season, self.errors = 0.0, list[float](), 0.0

    def seen(self, y: float) -> float:
        return math.log(y / self.base) if self.set.logs else y

    def damped(self, steps: float) -> float:
        """phi + phi^2 + .."""
        return sum(self.set.phi**i for i in range(1, round(steps) + 1))

    def rest(self, steps: float) -> None:
        self.level += self.trend * self.damped(steps)
        self.trend *= self.set.phi**steps

    def predict(self, h: int, place: int) -> float:
        """The value h steps on, as the model sees values."""
        return self.level + self.trend * self.damped(h) + (self.season[place] if self.season else 0.0)

    def learn(self, y: float, age: int, place: int, count: float, early: bool) -> None:
        expected = self.predict(1, place)
        e = self.seen(y) - expected
        size = abs(y - self.base * math.exp(expected)) if self.set.logs else abs(e)
        self.errors = s.FORGET * self.errors + size
        usual = self.errors / (s.FORGET * count + 1.0)
        bounded = e * s.LIMIT * usual / size if count > s.STEADY and size > s.LIMIT * usual else e
        alpha = max(self.set.alpha, 1.0 / (age + 1.0)) if age < s.FIRST else self.set.alpha
        self.level += self.set.phi * self.trend + alpha * e
        if not (early and self.set.gamma):
            self.trend = self.set.phi * self.trend + alpha * self.set.beta * bounded
        if self.season:
            self.season[place] += self.set.gamma * (1.0 - alpha) * bounded

    def decompose(self, values: list[float], m: int) -> None:
        """Level and season by what is left of the line through the means of one or two seasons."""
        z = [self.seen(y) for y in values]
        means = [sum(z[q : q + m]) / m for q in range(0, len(z), m)]
        slope, centre = (means[-1] - means[0]) / m, 0.5 * (len(z) - 1)
        mean = sum(means) / len(means)
        left = [each - (mean + slope * (i - centre)) for i, each in enumerate(z)]
        self.season = [sum(left[i::m]) / len(means) for i in range(m)]
        self.level = mean + slope * centre
        if self.set.beta:
            self.trend = 0.5 * slope


class Smoothing:
    """All models of a stream."""

    def __init__(self, room: int) -> None:
        self.room, self.m, self.models = room, 0, list[Model]()

    def take(self, y: float, step: int, known: bool, m: int) -> None:
        """The value y at `step`, or the last one again; m is the season in steps, 1 where there is none."""
        if not self.models or m != self.m:
            self.m, self.began, self.age, self.count, self.positive = m, step, 1, 0.0, y > 0
            self.models = [Model(setting, y) for setting in SETTINGS]
            self.values, self.low, self.high = [y], y, y
            return
        skipped = min(step - self.began - self.age + (0 if known else 1), 2 * self.room)
        for model in self.models:
            model.rest(skipped)
        if known:
            self.low = min(y, self.low + s.RELAX * (y - self.low))
            self.high = max(y, self.high + s.RELAX * (y - self.high))
            self.positive = self.positive and y > 0
            for model in self.usable():
                early = m > 1 and self.age < m
                model.learn(y, self.age, (step - self.began) % m, self.count, early)
            self.count = s.FORGET * self.count + 1.0
        before, self.age = self.age, step - self.began + 1
        self.values += [y] * (self.age - before)
        for whole in (2, 1):
            if m > 1 and before < whole * m <= self.age:
                for model in self.usable():
                    if model.set.gamma:
                        model.decompose(self.values[: whole * m], m)
                break

    def usable(self) -> list[Model]:
        return [model for model in self.models if self.positive or not model.set.logs]

    def predict(self, h: int, step: int) -> float:
        """The weighted mean of what all models say."""
        best, reach = min(model.errors for model in self.usable()), self.high - self.low
        whole, value = 0.0, 0.0
        for model in self.usable():
            if model.errors > best and self.count * (1.0 - best / model.errors) > s.FAINT:
                continue
            w = (best / model.errors) ** self.count if best > 0 else 1.0
            z = model.predict(h, (step - self.began + h) % self.m)
            z = model.base * math.exp(min(z, 300.0)) if model.set.logs else z
            value += w * min(max(z, self.low - reach), self.high + reach)
            whole += w
        return value / whole
