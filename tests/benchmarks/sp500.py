"""Daily returns of ten stocks (river's SP500Stocks, 1,257 days): the next day's return of their equal portfolio.

One pass of every preset as shipped over the portfolio's own returns, in per cent; mean absolute error of all days but
the first 250. Returns are close to noise: the anchor to meet is the mean, which is zero here, and nobody is far below.
Anchors: zero, the last return, plain recursive least squares on 5 lags. The data come with river; --data is not needed.
"""

import numpy as np
from river.datasets import SP500Stocks

from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader

STEPS, WARM, DAY = (1,), 250, 86_400.0


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=5).parse_args()
    values = np.array([np.mean([float(change) for change in stocks.values()]) for stocks, _ in SP500Stocks()])
    times = DAY * np.arange(len(values))
    rows: list[Figure] = []
    presets = {
        preset: [series.predict(times, values, STEPS, preset, seed).yhat for seed in range(1, given.seeds + 1)]
        for preset in ("full", "standard", "light")
    }
    for preset, told in presets.items():
        name = "sp500.mae" if preset == "full" else f"sp500.mae@{preset}"
        rows += series.spread(name, [miss(one, values) for one in told], "%")
    anchors = {
        "zero": np.zeros((len(values), 1)),
        "persistence": series.persistence(values, STEPS),
        "rls": series.least_squares(values, STEPS, range(1, 6), 0.9995),
    }
    rows += [figure(f"sp500.mae@{name}", miss(told, values), "%") for name, told in anchors.items()]
    finish("S&P 500, returns of the next day", rows, given.json, {"sp500.mae": "<= zero's"})


def miss(told: series.Array, values: series.Array) -> float:
    """Mean absolute error of the forecasts made on day WARM and later."""
    return float(np.mean(np.abs(told[WARM:-1, 0] - values[WARM + 1 :])))


if __name__ == "__main__":
    main()
