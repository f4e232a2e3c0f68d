"""Which skipped times are steps: every regular time on its own, hours by their numbers in dictionaries."""

import math
from collections import defaultdict

from streamrnn.kernels.step import gaps as g


class Gaps:
    """Shares of the hours of the day and of the week in which nothing came the last times."""

    def __init__(self) -> None:
        self.day: dict[int, float] = defaultdict(float)
        self.week: dict[int, float] = defaultdict(float)

    @staticmethod
    def hours(time: float) -> tuple[int, int]:
        """Of the day, of the week."""
        hour = math.floor(time / 3600 + 0.5)
        return hour % 24, hour % 168

    def silent(self, time: float) -> bool:
        day, week = self.hours(time)
        return self.day[day] > g.USUAL or self.week[week] > g.USUAL

    def usual(self, before: float, interval: float, skipped: int) -> int:
        found = sum(self.silent(before + k * interval) for k in range(1, skipped + 1))
        return skipped if found and (skipped - found) * interval < 3600 else found

    def skip(self, before: float, interval: float, skipped: int) -> None:
        length, part = (skipped + 1) * interval, min(interval / 3600, 1.0)
        for k in range(1, skipped + 1):
            day, week = self.hours(before + k * interval)
            if length < 86400:
                self.day[day] = 1 - (1 - self.day[day]) * (1 - g.DAILY) ** part
            if length < 604800:
                self.week[week] = 1 - (1 - self.week[week]) * (1 - g.WEEKLY) ** part

    def came(self, time: float, interval: float) -> None:
        part = min(interval / 3600, 1.0)
        for shares, hour, most in zip((self.day, self.week), self.hours(time), (g.DAILY, g.WEEKLY), strict=True):
            left = shares[hour] * (1 - most) ** part
            shares[hour] = left if left > g.FORGOTTEN else 0.0

    def ahead(self, time: float, interval: float, steps: int) -> int:
        lead = 0
        while steps:
            lead += 1
            steps -= not self.silent(time + lead * interval)
        return lead
