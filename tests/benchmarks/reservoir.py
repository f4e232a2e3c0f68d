"""An echo state network as a peer (Jaeger 2001): 100 fixed random units on standardised inputs, a readout by RLS.

State x' = .5 x + .5 tanh(W x + V u + b), W with a tenth of its places filled and a spectral radius of .9, V and b
uniform in +-1; the readout sees x, the inputs u, their last LAGS rows and 1, and is trained by recursive least squares
without forgetting (prior 1e3), one gain for all horizons, every answer the moment it comes. Not a benchmark itself.
"""

import time
from typing import Any, NamedTuple

import numba
import numpy as np

UNITS, LAGS, LEAK, RADIUS, FILLED, PRIOR = 100, 25, 0.5, 0.9, 0.1, 1e3


class Echoed(NamedTuple):
    """Forecasts (n, K), microseconds a row, bytes of state and weights."""

    told: Any
    us: float
    bytes: int


@numba.njit
def _run(W, V, b, inputs, targets, steps, told):
    """A target (n) of horizon h answers row t - h; horizon 0: it is told for row t and then learned."""
    n, width = inputs.shape
    units, far = len(b), steps.max()
    m = units + width * (LAGS + 1) + 1
    P, w = PRIOR * np.eye(m), np.zeros((len(steps), m))
    seen, gains = np.zeros((far + 1, m)), np.zeros((far + 1, m))
    x, mean, square = np.zeros(units), np.zeros(width), np.ones(width)
    scaled = np.zeros((n, width))
    for t in range(n):
        for k in range(len(steps)):
            if steps[k] > 0 and t >= steps[k]:
                place = (t - steps[k]) % (far + 1)
                w[k] += gains[place] * (targets[t] - np.dot(w[k], seen[place]))
        rate = max(1e-3, 1.0 / (t + 1))
        for i in range(width):
            mean[i] += rate * (inputs[t, i] - mean[i])
            square[i] += rate * ((inputs[t, i] - mean[i]) ** 2 - square[i])
            scaled[t, i] = min(max((inputs[t, i] - mean[i]) / np.sqrt(square[i] + 1e-12), -10.0), 10.0)
        x = (1.0 - LEAK) * x + LEAK * np.tanh(np.dot(W, x) + np.dot(V, scaled[t]) + b)
        z = np.zeros(m)
        z[0] = 1.0
        z[1 : units + 1] = x
        for lag in range(min(LAGS + 1, t + 1)):
            z[units + 1 + lag * width : units + 1 + (lag + 1) * width] = scaled[t - lag]
        for k in range(len(steps)):
            told[t, k] = np.dot(w[k], z)
        u = np.dot(P, z)
        gain = u / (1.0 + np.dot(z, u))
        for i in range(m):
            for j in range(m):
                P[i, j] -= gain[i] * u[j]
        seen[t % (far + 1)], gains[t % (far + 1)] = z, gain
        if steps[0] == 0 and not np.isnan(targets[t]):
            w[0] += gain * (targets[t] - told[t, 0])


def echo(inputs: Any, targets: Any, steps: tuple[int, ...], seed: int) -> Echoed:
    """One pass: inputs (n, F), targets (n), steps ahead; (0,) where a target comes along with its row."""
    random = np.random.default_rng(seed)
    W = random.uniform(-1, 1, (UNITS, UNITS)) * (random.uniform(size=(UNITS, UNITS)) < FILLED)
    W *= RADIUS / np.abs(np.linalg.eigvals(W)).max()
    V, b = random.uniform(-1, 1, (UNITS, inputs.shape[1])), random.uniform(-1, 1, UNITS)
    told, hs = np.zeros((len(inputs), len(steps))), np.array(steps)
    _run(W, V, b, inputs[:2], targets[:2], hs, told[:2])
    begun = time.process_time()
    _run(W, V, b, inputs, targets, hs, told)
    m = UNITS + inputs.shape[1] * (LAGS + 1) + 1
    size = 8 * (W.size + V.size + 2 * UNITS + m * m + len(steps) * m + 2 * (max(steps) + 1) * m)
    return Echoed(told, 1e6 * (time.process_time() - begun) / len(inputs), size)
