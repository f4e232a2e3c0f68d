"""AirlinePassengers of river: 144 months; mean absolute error over the next three months, one pass from the first row.

After every month the next three are predicted, as river's `evaluate` does with horizon 3; an error counts where all
have a forecast. `airline.mae` is the mean over the three steps, in thousands of passengers. Published: river's SNARIMAX
example 32.8 (its documentation), deep-river's GRU 294. The data come with river; --data is not needed.
"""

import warnings
from datetime import UTC
from typing import Any

import numpy as np
from river import time_series
from river.datasets import AirlinePassengers

from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader

STEPS, YEAR, WARM = (1, 2, 3), 12, 12
GOALS = {"airline.mae": "<= 11.8", "airline.mae@standard": "<= 14"}


def of_river(model: Any, values: series.Array) -> series.Array:
    """Forecasts (n, K) of one of river's models; NaN while it has none."""
    found = np.full((len(values), len(STEPS)), np.nan)
    for t, value in enumerate(values.tolist()):
        model.learn_one(value)
        try:
            found[t] = model.forecast(horizon=max(STEPS))
        except (IndexError, ValueError, ZeroDivisionError):
            continue
    return found


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=5).parse_args()
    stream = [(when["month"].replace(tzinfo=UTC).timestamp(), float(count)) for when, count in AirlinePassengers()]
    times, values = np.array([when for when, _ in stream]), np.array([count for _, count in stream])
    told = {f"#{seed}": series.predict(times, values, STEPS, seed=seed).yhat for seed in range(1, given.seeds + 1)}
    anchors = {preset: series.predict(times, values, STEPS, preset).yhat for preset in ("standard", "light")}
    anchors["rls"] = series.least_squares(values, STEPS, range(1, 13), 0.9995)
    anchors["persistence"], anchors["seasonal"] = (
        series.persistence(values, STEPS),
        series.seasonal(values, STEPS, YEAR),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anchors["snarimax"] = of_river(time_series.SNARIMAX(p=YEAR, d=1, q=YEAR, m=YEAR, sd=1), values)
        winters = time_series.HoltWinters(alpha=0.3, beta=0.1, gamma=0.6, seasonality=YEAR, multiplicative=True)
        anchors["holtwinters"] = of_river(winters, values)
    errors = {}
    for name, forecasts in {**told, **anchors}.items():
        misses = []
        for k, h in enumerate(STEPS):
            miss = np.abs(forecasts[WARM : len(values) - h, k] - values[WARM + h :])
            misses.append(np.mean(miss[np.isfinite(miss)]))
        errors[name] = float(np.mean(misses))
    rows: list[Figure] = series.spread("airline.mae", [errors[name] for name in told], "1000")
    rows += [figure(f"airline.mae@{name}", errors[name], "1000") for name in anchors]
    finish("AirlinePassengers, three months ahead", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
