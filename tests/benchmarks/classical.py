"""AutoETS, AutoARIMA and AutoTheta of statsforecast, in an interpreter of their own: see `fresh --peers`.

Reads a JSON list of series (`name`, `values`, `season`, `steps`) from standard input and writes forecasts as JSON:
name -> model -> rows x horizons, null where there is none. Only the second half is forecast. A model is fitted again
REFITS times, evenly spaced there; between two fits it is carried forward with its parameters. Nothing of this project
is imported, so any interpreter that has statsforecast can run this file.
"""

import json
import sys
import warnings
from typing import Any

REFITS = 15


def forecast(make: Any, values: Any, steps: list[int]) -> list[list[float | None]]:
    """Forecasts (n, K) made at every row of the second half, each from the values up to that row alone."""
    n, furthest = len(values), max(steps)
    found: list[list[float | None]] = [[None] * len(steps) for _ in range(n)]
    half, model = n // 2, None
    every = max(1, -(-(n - half) // REFITS))
    for t in range(half, n):
        known = values[: t + 1]
        try:
            if model is None or (t - half) % every == 0:
                model = make().fit(known)
                ahead = model.predict(h=furthest)["mean"]
            else:
                ahead = model.forward(y=known, h=furthest)["mean"]
        except Exception:  # a peer that fails on a series has no forecast there
            continue
        found[t] = [float(ahead[step - 1]) for step in steps]
    return found


def serve() -> None:
    """Read, forecast, write."""
    import numpy as np
    from statsforecast import models  # type: ignore[import-not-found]

    warnings.simplefilter("ignore")
    kinds = {"ets": models.AutoETS, "arima": models.AutoARIMA, "theta": models.AutoTheta}
    answers = {}
    for series in json.load(sys.stdin):
        values, season = np.array(series["values"], dtype=np.float64), series["season"]
        answers[series["name"]] = {
            name: forecast(lambda kind=kind, season=season: kind(season_length=season), values, series["steps"])
            for name, kind in kinds.items()
        }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    serve()
