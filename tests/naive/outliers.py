"""Doubt of one feature, value by value, with the days of each quarter of an hour in a dictionary."""

import math
from collections import defaultdict

from streamrnn.kernels.monitors import outliers as o
from tests.naive import scale


class Doubt:
    """Which values are not followed, and which are not learned; `holdoff` 0: what is followed is learned."""

    def __init__(self, holdoff: int, interval: float, rate: float = 0.001) -> None:
        self.holdoff, self.interval, self.rate = holdoff, interval, rate
        self.mean, self.variance, self.seen = 0.0, 0.0, 0
        self.widest, self.learned = 0.0, 0.0  # what was followed, what was learned
        self.odd, self.away = 0, 0
        self.days: dict[int, set[int]] = defaultdict(set)  # by quarter of an hour

    def look(self, x: float, time: float) -> str:
        """'unfollowed', 'unlearned', or "" for a value that is learned; a missing one is passed over."""
        if math.isnan(x):
            return ""
        off, sd = abs(x - self.mean), self.variance**0.5
        self.widest, self.learned = self.widest * o.FADE, self.learned * o.FADE
        known = self.seen >= o.SETTLED and sd > 0
        odd = known and off > max(o.FAR * sd, o.WIDER * self.widest)
        away = known and off > max(o.FAR * sd, o.WIDER * self.learned)
        if away and self.usual(time):
            odd, away = False, False
        self.odd, self.away = self.odd + 1 if odd else 0, self.away + 1 if away else 0
        unfollowed = 0 < self.odd < o.FOLLOWED
        unlearned = unfollowed or 0 < self.away <= self.lasting(off, sd)
        if self.seen and not unfollowed:
            self.widest = max(self.widest, off)
        if not unlearned:
            self.learned = max(self.learned, off) if self.seen else 0.0
            self.seen += 1
            near = scale.bounded(x, self.mean, self.variance, self.seen)
            self.mean, self.variance = scale.moments(self.mean, self.variance, near, max(self.rate, 1 / self.seen))
        return "unfollowed" if unfollowed else "unlearned" if unlearned else ""

    def lasting(self, off: float, sd: float) -> float:
        if not self.holdoff:
            return o.FOLLOWED - 1
        beyond = off > max(o.SURELY * sd, o.TIMES * self.learned)
        return max(self.holdoff, min(o.HOURS / self.interval, o.MOST)) if beyond else self.holdoff

    def usual(self, time: float) -> bool:
        """Whether such values came at this time on the days before; and one has come today."""
        quarter, day = round(time / 900 + 1e-9) % 96, math.floor(time / 86_400)
        share = 0.0
        for each in range(day - 60, day):
            share = share * (1 - o.DAILY) + o.DAILY * (each in self.days[quarter])
        self.days[quarter].add(day)
        return share > o.USUAL
