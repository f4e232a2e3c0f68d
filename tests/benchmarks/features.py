"""Two generated streams whose target is driven by another feature: what a forecaster of single series cannot see.

x is an AR(1) with .7 and unit noise; noise has deviation .3, the best possible error. 6,000 rows, one step ahead, the
last half is scored by the root mean square error.
    linear     y(t) = .5 y(t - 1) + x(t - 1) + noise
    product    y(t) = .5 y(t - 1) + x(t - 1) x(t - 2) + noise
Features are y and x, the target is y, presets are as shipped; means over seeds, each with a name of its own.
Beside them: recursive least squares on five lags of both, and on their products too. --data is not needed.
"""

import numpy as np

from streamrnn.evaluation.figures import Figure
from tests.benchmarks import members, series
from tests.benchmarks.command import finish, reader

NOISE = 0.3
GOALS = {
    "features.linear.rmse": "<= .31",
    "features.product.rmse": "<= .36",
    "features.linear.rmse@standard": "<= .31",
    "features.product.rmse@standard": "<= .36",
}
KINDS = ("linear", "product")


def generate(kind: str, rows: int, seed: int) -> series.Array:
    """Values (n, 2) of y and x."""
    random = np.random.default_rng(seed)
    x, y = np.zeros(rows), np.zeros(rows)
    for t in range(2, rows):
        x[t] = 0.7 * x[t - 1] + random.standard_normal()
        drive = x[t - 1] if kind == "linear" else x[t - 1] * x[t - 2]
        y[t] = 0.5 * y[t - 1] + drive + NOISE * random.standard_normal()
    return np.column_stack([y, x])


def anchor(values: series.Array, squares: bool, lags: int = 5, forget: float = 0.9998) -> series.Array:
    """Recursive least squares (n) on lags of both features; `squares` adds all their products."""
    y, n = values[:, 0], len(values)
    seen = [np.concatenate([np.zeros(lag), values[: n - lag, f]]) for f in range(2) for lag in range(lags)]
    columns = [np.ones(n), *seen]
    if squares:
        columns += [seen[a] * seen[b] for a in range(len(seen)) for b in range(a, len(seen))]
    X = np.column_stack(columns)
    P, w, found = 10.0 * np.eye(X.shape[1]), np.zeros(X.shape[1]), np.zeros(n)
    for t in range(n - 1):
        found[t] = w @ X[t]
        u = P @ X[t]
        gain = u / (forget + X[t] @ u)
        P = (P - np.outer(gain, u)) / forget
        w += gain * (y[t + 1] - found[t])
    return found


def error(values: series.Array, forecasts: series.Array) -> float:
    """Root mean square error one step ahead in the last half."""
    rows = np.arange(len(values) // 2, len(values) - 1)
    return float(np.sqrt(np.mean((forecasts[rows] - values[rows + 1, 0]) ** 2)))


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=5, steps=6000).parse_args()
    found: dict[str, list[float]] = {}
    times = 60.0 * np.arange(given.steps)
    for kind in KINDS:
        for seed in range(1, given.seeds + 1):
            values = generate(kind, given.steps, seed)
            for preset in ("full", "standard", "light"):
                model = members.model(preset, (1,), seed=seed, features=("y", "x"), targets=("y",))
                told = members.watch(model, times, values, f"series-{seed}")
                name = "" if preset == "full" else f"@{preset}"
                found.setdefault(f"features.{kind}.rmse{name}", []).append(error(values, told.yhat[:, 0]))
            for name, squares in (("rls", False), ("rls2", True)):
                miss = error(values, anchor(values, squares))
                found.setdefault(f"features.{kind}.rmse@{name}", []).append(miss)
    rows: list[Figure] = []
    for name, errors in found.items():
        rows += series.spread(name, errors, "1")
    finish("Targets that are driven by another feature", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
