"""Tail, gate and monitors in plain Python: the histogram is a dictionary that forgets nothing and has no ends."""

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

TAU = 0.02


@dataclass
class Tail:
    """One sign of one series: sizes by quarter octave, and the excess over the 98 % point."""

    seen: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    excess: float = 0.0
    count: float = 0.0

    def start(self) -> float:
        """Upper edge of the highest bin above which at most 2 % of the sizes lie; 0 when that is no bin."""
        above = 0
        for place in sorted(self.counts, reverse=True):
            if above + self.counts[place] > TAU * self.seen:
                return float(2.0 ** ((place + 1) / 4))
            above += self.counts[place]
        return 0.0

    def surprise(self, a: float, weight: float = 1.0) -> float:
        """-ln P(size >= a), told before it is learned from; a size counts for `weight` independent ones."""
        value = 0.0
        if a > 0 and self.seen >= 50:
            u = self.start()
            if u == 0.0:  # rarer than the 2 % that the start is about, and so always
                value = 690.0
            elif a <= u:
                place = math.floor(4 * math.log2(a))
                above = sum(count for other, count in self.counts.items() if other >= place)
                value = min(math.log((self.seen + 1) / (above + 1)), -math.log(TAU))
            else:
                number = 5.0 + weight * self.count
                mean = max((0.5 + weight * self.excess) / number, 0.05)
                shape = min(max(2.2 * (mean - 0.26), 0.0), mean)
                over = (a - u) / u
                x = over / mean if shape <= 1e-6 else math.log(1 + shape * over / mean) / shape
                value = min(-math.log(TAU) + number * math.log(1 + x / number), 690.0)
                self.excess = 0.998 * self.excess + min(math.log(1 + over), 4 * mean)
                self.count = 0.998 * self.count + 1
        self.seen += 1
        if a > 0:
            self.counts[math.floor(4 * math.log2(a))] += 1
        return value


@dataclass
class Gate:
    """Sizes by day and hour; nothing is ordinary that exceeds them by a fifth."""

    days: list[dict[int, float]] = field(default_factory=lambda: [{}])

    def envelope(self, hour: int) -> float:
        """Largest size at this hour on earlier days, each day ago counting 5 % less."""
        return max((0.95**i * day.get(hour, 0.0) for i, day in enumerate(self.days[-2::-1])), default=0.0)

    def pass_on(self, a: float, value: float, hour: int, dawn: bool) -> float:
        """The surprise, brought back to ln 50 within the envelope."""
        if dawn:
            self.days.append({})
        usual = max(self.envelope((hour + step) % 24) for step in (-1, 0, 1))
        if a > 0:
            self.days[-1][hour] = max(self.days[-1].get(hour, 0.0), a)
        return min(value, -math.log(TAU)) if 0 < a < 1.2 * usual else value


class Flat:
    """How often the last value has come in a row, beyond the first few."""

    def __init__(self, rate: float, steps: int) -> None:
        self.steps, self.values = steps, list[float]()

    def deviate(self, y: float, expected: float, time: float) -> float:
        self.values.append(y)
        other = next((i for i, value in enumerate(reversed(self.values)) if value != y), len(self.values))
        return max(other - self.steps, 0)

    def adopt(self, error: float) -> None:
        """It has no level of its own."""


class Residual:
    """Distance from the forecast."""

    def deviate(self, y: float, expected: float, time: float) -> float:
        return y - expected

    def adopt(self, error: float) -> None:
        """It has no level of its own."""


@dataclass
class Level:
    """Distance from the running mean."""

    rate: float
    bins: int
    mean: float = 0.0
    seen: int = 0

    def deviate(self, y: float, expected: float, time: float) -> float:
        error = y - self.mean if self.seen else 0.0
        self.seen += 1
        share = max(self.rate, 1.0 / self.seen)
        self.mean = (1 - share) * self.mean + share * y
        return error

    def adopt(self, error: float) -> None:
        self.mean += error
        self.seen = min(self.seen, 20)


class Hours:
    """Distance from the running mean of this time of the day; from that of all times at first."""

    def __init__(self, rate: float, bins: int) -> None:
        self.all = Level(0.001, 0)
        self.each = [Level(rate, 0) for _ in range(bins)]

    def deviate(self, y: float, expected: float, time: float) -> float:
        level = self.each[int(time % 86400 / 86400 * len(self.each))]
        error = level.deviate(y, expected, time)
        if level.seen == 1:
            error = y - self.all.mean if self.all.seen else 0.0
        self.all.deviate(y, expected, time)
        return error

    def adopt(self, error: float) -> None:
        for level in (self.all, *self.each):
            level.adopt(error)


@dataclass
class Peaks:
    """The rate of a stream's surprises: all peaks with their weights, none in bins but for the prior."""

    peaks: list[tuple[float, float]] = field(default_factory=list)  # surprise, weight
    rows: float = 1000.0
    excess: float = 0.5
    run: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        edges = [i / 8 if i < 64 else 8 * 2 ** ((i - 64) / 16) for i in range(160)]
        for low, high in pairwise(edges[16:]):
            self.peaks.append((low, 17.4 * (math.exp((2 - low) / 0.5) - math.exp((2 - high) / 0.5))))
        self.fit()

    @staticmethod
    def place(size: float) -> int:
        return int(8 * size) if size < 8 else min(int(64 + 16 * math.log2(size / 8)), 159)

    def fit(self) -> None:
        """Level, rate above it and mean excess; sizes are told apart as finely as bins are."""
        bins = [0.0] * 160
        for size, weight in self.peaks:
            bins[self.place(size)] += weight
        edges = [i / 8 if i < 64 else 8 * 2 ** ((i - 64) / 16) for i in range(160)]
        first = 159
        while first > 0 and sum(bins[first:]) < 100 and edges[first - 1] >= 3.2:
            first -= 1
        while first > 0 and sum(bins[first:]) >= 100 and sum(bins[first + 1 :]) >= 100:
            first += 1
        number = sum(bins[first:])
        self.level = edges[first]
        middles = [(edges[i] + edges[min(i + 1, 159)]) / 2 - self.level for i in range(160)]
        cut = sum(bins[i] * min(max(middles[i], 0.0), 4 * self.excess) for i in range(first, 160))
        self.excess = max((25.0 + cut) / (50 + number), 0.3)
        self.rate = max(number, 0.5) / self.rows

    def nats(self, size: float) -> float:
        least = max(-math.log(4 * self.rate), 0.0)
        return least * size / self.level if size <= self.level else least + (size - self.level) / self.excess

    def learn(self, size: float, rate: float) -> None:
        self.run.append(size)
        highest = max(range(len(self.run)), key=lambda i: (self.run[i], -i))
        if len(self.run) - 1 - highest < 25:
            return
        stays = math.exp(-len(self.run) * rate / 10)
        self.peaks = [(peak, weight * stays) for peak, weight in self.peaks] + [(self.run[highest], 1.0)]
        self.rows = self.rows * stays + len(self.run)
        self.run = []
        self.fit()


def score(surprise: float, threshold: float) -> float:
    """0 for no surprise, a half at the threshold, towards 1 beyond."""
    return float(1.0 - 0.5 ** ((surprise / threshold) ** 16))


def severity(surprise: float, threshold: float) -> int:
    """How many of the limits are reached: an alarm, one ten times and one a thousand times less probable."""
    return sum(surprise >= threshold + math.log(factor) for factor in (1, 10, 1000))


@dataclass
class Alarms:
    """The rest after each alarm."""

    at: list[int] = field(default_factory=list)
    size: float = 0.0

    def see(self, t: int, surprise: float, rare: bool) -> bool:
        """Whether observation t (from 1) is an alarm."""
        rested = not self.at or t - self.at[-1] > min(200, 0.1 * t) or surprise > 3 * self.size
        if rare and rested:
            self.at.append(t)
            self.size = surprise
        return rare and rested
