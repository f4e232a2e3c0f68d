"""Levels and the joint monitor in plain float64: one target is an object, all of them are matrices."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn.kernels.monitors import joint, levels

Floats = NDArray[np.float64]


def tail(x: float, freedom: int) -> float:
    """Probability of a chi-squared value above x: the recurrence over the degrees of freedom (Abramowitz 26.4.8)."""
    half, total, step = x / 2.0, math.erfc(math.sqrt(x / 2.0)), 1
    if freedom % 2 == 0:
        total, step = math.exp(-half), 2
    while step < freedom:
        total += math.exp(0.5 * step * math.log(half) - half - math.lgamma(0.5 * step + 1.0))
        step += 2
    return total


@dataclass
class Level:
    """One target's level of late beside its slow one."""

    count: int = 0
    learnt: int = 0
    firm: float = 0.0
    slow: float = 0.0
    spread: float = 0.0
    wander: float = 1.0 / (2.0 * levels.SPAN - 1.0)
    turns: float = 0.0
    side: float = 0.0

    def score(self) -> float:
        """A Student-t variable as a normal one."""
        if self.spread == 0.0:
            return 0.0
        u, freedom = (self.firm - self.slow) / math.sqrt(self.spread * self.wander), max(self.turns, levels.FEWEST)
        size = math.sqrt(freedom * math.log(1.0 + u * u / freedom)) * (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
        return math.copysign(size, u)

    def take(self, y: float, learn: bool = True, held: bool = False) -> float:
        if self.count == 0:
            self.firm = self.slow = y
        self.count += 1
        off, sd = y - self.slow, math.sqrt(self.spread)
        clipped = self.count > levels.SETTLED and sd > 0.0
        firm = float(np.clip(off, -levels.CUT * sd, levels.CUT * sd)) if clipped else off
        self.firm += max(1.0 / levels.SPAN, 1.0 / self.count) * (self.slow + firm - self.firm)
        if not held:
            self.slow += max(1.0 / levels.LONG, 1.0 / self.count) * off
        if learn and not held:
            self.learn(float(np.clip(off, -levels.OUTSIDE * sd, levels.OUTSIDE * sd)) if clipped else off)
        return self.score()

    def learn(self, off: float) -> None:
        self.learnt += 1
        self.spread += max(1.0 / levels.MEMORY, 1.0 / self.learnt) * (off**2 - self.spread)
        if self.learnt <= levels.SPAN or self.spread == 0.0:
            return
        square = (self.firm - self.slow) ** 2 / self.spread
        if self.learnt > levels.SETTLED:
            square = min(square, levels.OUTSIDE**2 * self.wander)
        rate = max(1.0 / levels.MEMORY, 1.0 / (self.learnt + levels.FEWEST * levels.SPAN))
        self.wander += rate * (square - self.wander)
        side = float(np.sign(self.firm - self.slow)) or self.side
        self.turns = self.turns * (1.0 - 1.0 / levels.MEMORY) + (side != self.side)
        self.side = side


class Together:
    """The correlation of the scores, its factors, and the two statistics."""

    def __init__(self, n: int) -> None:
        self.n, self.k, self.seen = n, min(joint.MOST_FACTORS, (n + 1) // 2), 0
        self.moments, self.vectors, self.values = np.eye(n), np.eye(n)[:, : self.k], np.ones(self.k)

    def take(self, z: Floats) -> None:
        """A row of scores: the correlation, then the factors by one step of orthogonal iteration (QR)."""
        self.seen += 1
        cut = np.clip(z, -joint.CUT, joint.CUT)
        self.moments += max(1.0 / joint.MEMORY, 1.0 / (self.seen + joint.AT_FIRST)) * (
            np.outer(cut, cut) - self.moments
        )
        if self.n > joint.SMALL and self.seen % joint.SMALL:
            return
        sd, a = np.sqrt(np.diag(self.moments)), self.shrinkage()
        shrunk = (1.0 - a) * self.moments / np.outer(sd, sd) + a * np.eye(self.n)
        q, r = np.linalg.qr(shrunk @ self.vectors)
        self.vectors, self.values = q * np.sign(np.diag(r)), np.abs(np.diag(r))

    def shrinkage(self) -> float:
        """Share of independence: T of T and the sample."""
        return self.n / (self.n + (min(self.seen, joint.MEMORY) + joint.AT_FIRST) / levels.SPAN)

    def judge(self, z: Floats) -> tuple[float, float, Floats]:
        """T-squared, Q, and what each target adds to the first."""
        noise = max((self.n - self.values.sum()) / (self.n - self.k), self.shrinkage())
        inverse = (np.eye(self.n) - self.vectors @ self.vectors.T) / noise
        q = float(z @ inverse @ z)
        inverse += self.vectors @ np.diag(1.0 / self.values) @ self.vectors.T
        return float(z @ inverse @ z), q, np.maximum(z * (inverse @ z), 0.0)

    def nats(self, t2: float, q: float) -> float:
        """Of the rarer of the two, counted twice; half a span of observations as one."""
        both = max(-math.log(tail(t2, self.n)), -math.log(tail(q, self.n - self.k)))
        return both - math.log(2.0) + math.log(levels.SPAN / 2.0)
