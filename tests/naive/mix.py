"""Bernstein online aggregation with the learning rates of algorithm 1 of Wintenberger (2017), expert by expert."""

import math

FORGET = 0.0005
SLOPE = 2.0
REACH = 20.0


def clip(x: float, bound: float) -> float:
    return max(-bound, min(bound, x))


def blend(weights: list[float], forecasts: list[float]) -> float:
    """Weighted mean; the first forecast when there is no weight."""
    total = sum(weights)
    if total <= 0:
        return forecasts[0]
    return sum(w * f for w, f in zip(weights, forecasts, strict=True)) / total


def update(record: list[list[float]], forecasts: list[float], mixed: float, y: float, unit: float) -> list[list[float]]:
    """Weights, regrets R, second moments V and largest M of every expert after the answer y."""
    _, R, V, M = record
    n = len(forecasts)
    slope = clip((mixed - y) / unit, SLOPE)
    logs, regrets, seconds, largest = [], [], [], []
    for e in range(n):
        r = 2.0 * slope * clip((mixed - forecasts[e]) / unit, REACH)
        m = max(M[e], abs(r))
        v = (1.0 - FORGET) * V[e] + r**2
        eta = min(1.0 / (2.0 * m), math.sqrt(math.log(n) / v))
        regret = (1.0 - FORGET) * R[e] + r * (1.0 - eta * r)
        logs.append(math.log(eta) + eta * regret)
        regrets.append(regret)
        seconds.append(v)
        largest.append(m)
    raw = [math.exp(value - max(logs)) + 1e-12 for value in logs]
    return [[value / sum(raw) for value in raw], regrets, seconds, largest]
