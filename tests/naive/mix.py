"""Bernstein online aggregation with the learning rates of algorithm 1 of Wintenberger (2017), expert by expert."""

import math

from streamrnn.kernels.experts.mix import EXACT, FORGET, MELT, REACH, SLOPE


def clip(x: float, bound: float) -> float:
    return max(-bound, min(bound, x))


def loss(x: float) -> float:
    """Huber's: the square up to SLOPE, from there on the straight line that continues it."""
    return x**2 if abs(x) <= SLOPE else SLOPE**2 + 2.0 * SLOPE * (abs(x) - SLOPE)


def blend(weights: list[float], forecasts: list[float]) -> float:
    """Weighted mean, by weights that sum to 1."""
    return sum(w * f for w, f in zip(weights, forecasts, strict=True))


def update(
    record: list[list[float]],
    prior: list[float],
    forecasts: list[float],
    mixed: float,
    y: float,
    unit: float,
    age: int,
    ahead: int,
) -> list[list[float]]:
    """Weights, regrets R, second moments V and largest M of every expert after the answer y."""
    _, R, V, M = record
    n = len(forecasts)
    logs, regrets, seconds, largest = [], [], [], []
    for e in range(n):
        linear = 2.0 * clip((mixed - y) / unit, SLOPE) * clip((mixed - forecasts[e]) / unit, REACH)
        exact = clip(loss((mixed - y) / unit) - loss((forecasts[e] - y) / unit), SLOPE * REACH)
        r = (1.0 - EXACT) * linear + EXACT * exact
        m = max(M[e], abs(r))
        v = (1.0 - FORGET) * V[e] + r**2
        eta = min(1.0 / (2.0 * m), math.sqrt(math.log(n) / v)) / math.sqrt(ahead)
        regret = (1.0 - FORGET) * R[e] + r * (1.0 - eta * r)
        logs.append(math.log(prior[e] ** (MELT / (MELT + age)) * eta) + eta * regret)
        regrets.append(regret)
        seconds.append(v)
        largest.append(m)
    raw = [math.exp(value - max(logs)) for value in logs]
    return [[value / sum(raw) for value in raw], regrets, seconds, largest]
