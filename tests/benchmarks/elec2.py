"""Intervals at 90 % for the demand of New South Wales, half-hourly, one step ahead (conformal PID 2023, ECI 2025).

The first 2,000 rows, measured from row 300 on: coverage, mean width, the Winkler score, and the lowest and highest
coverage of any 500 rows. `elec2.*` are our own forecasts and intervals, preset `full` as shipped. `elec2.ar.*` are our
intervals around the published AR(3) forecasts, by the kernel that serves; published around the same forecasts: quantile
tracking, OGD and ECI 90.1 to 90.4 % and .094, conformal PI .098, ACI .100. Price and demand five steps ahead over the
whole file stand beside a plain linear anchor and persistence.
"""

import math
from pathlib import Path

import numpy as np

from streamrnn.evaluation.figures import Figure, figure
from streamrnn.kernels.core.layout import Stats
from streamrnn.kernels.monitors import conformal
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader, recorded

ROWS, BURN, LEVEL, WINDOW, HALF_HOUR = 2000, 300, 0.9, 500, 1800.0
GOALS = {
    "elec2.coverage": ".89 to .91",
    "elec2.width": "<= .0272",
    "elec2.width@standard": "<= .032",
    "elec2.window.least": ">= .84",
    "elec2.window.most": "<= .96",
    "elec2.ar.coverage": ".89 to .91",
    "elec2.ar.width": "<= .100",
    "elec2.mixed_over_best": "<= 1.02",
}


def judged(name: str, actual: series.Array, lower: series.Array, upper: series.Array, anchor: str = "") -> list[Figure]:
    """Rows of intervals (n) for values (n), all of them after the burn-in."""
    inside = (lower <= actual) & (actual <= upper)
    outside = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    windows = np.convolve(inside, np.ones(WINDOW) / WINDOW, "valid")
    width = upper - lower
    return [
        figure(f"{name}.coverage{anchor}", float(inside.mean()), "1"),
        figure(f"{name}.width{anchor}", float(width.mean()), "1"),
        figure(f"{name}.winkler{anchor}", float((width + 2.0 / (1.0 - LEVEL) * outside).mean()), "1"),
        figure(f"{name}.window.least{anchor}", float(windows.min()), "1"),
        figure(f"{name}.window.most{anchor}", float(windows.max()), "1"),
    ]


def around(values: series.Array, told: series.Array) -> tuple[series.Array, series.Array]:
    """Our intervals around given one-step forecasts (n), as the step makes them: settle, track, then the next one."""
    stats, shares = np.zeros(Stats.WIDTH), np.ones(24)
    normal = 1.6448536269514722 / math.sqrt(2.0 / math.pi)
    stats[Stats.LOW], stats[Stats.HIGH] = -normal, normal
    lower, upper = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for t in range(len(values)):
        hour, usual = (t % 48) // 2, max(float(stats[Stats.SPREAD]), 1e-12)
        unit = usual * conformal.weight(shares, hour)
        if stats[Stats.COUNT] > 0:
            lower[t], upper[t] = told[t] + stats[Stats.LOW] * unit, told[t] + stats[Stats.HIGH] * unit
        conformal.settle(stats, abs(values[t] - told[t]))
        if stats[Stats.COUNT] > 1:
            conformal.track(stats, (values[t] - told[t]) / unit, LEVEL, 1)
            conformal.learn_hour(shares, hour, abs(values[t] - told[t]) / usual, stats[Stats.COUNT])
    return lower, upper


def own(times: series.Array, demand: series.Array, seeds: int) -> list[Figure]:
    """Rows of our own forecasts and intervals on the first rows of the demand."""
    rows: list[Figure] = []
    actual, span = demand[BURN:ROWS], slice(BURN - 1, ROWS - 1)
    each = []
    for seed in range(1, seeds + 1):
        told = series.predict(times[:ROWS], demand[:ROWS], (1,), seed=seed)
        each.append(judged("elec2", actual, told.lower[span, 0], told.upper[span, 0]))
    for kind in range(len(each[0])):
        rows += series.spread(each[0][kind].name, [float(one[kind].value or 0.0) for one in each], "1")
    rows.append(figure("elec2.us", told.us, "us"))
    for preset in ("standard", "light"):
        told = series.predict(times[:ROWS], demand[:ROWS], (1,), preset)
        rows += judged("elec2", actual, told.lower[span, 0], told.upper[span, 0], f"@{preset}")
    best = series.mixed_over_best(times[:ROWS], demand[:ROWS], (1,))
    return [*rows, figure("elec2.mixed_over_best", best, "1")]


def given_base(path: Path) -> list[Figure]:
    """Rows of our intervals around the published AR forecasts."""
    header, rows = series.columns(path)
    values, told = (np.array([float(row[header.index(name)]) for row in rows]) for name in ("y", "ar"))
    known = np.flatnonzero(told)[0]
    lower, upper = around(values[known:], told[known:])
    return judged("elec2.ar", values[BURN:], lower[BURN - known :], upper[BURN - known :])


def ahead(name: str, times: series.Array, values: series.Array) -> list[Figure]:
    """Error five steps ahead over the deviation, rows 5,000 on."""
    rows = np.arange(5000, len(values) - 5)

    def error(told: series.Array, anchor: str) -> Figure:
        miss = told[rows, 0] - values[rows + 5]
        deviation = float(np.std(values))
        return figure(f"elec2.{name}.nrmse{anchor}", float(np.sqrt(np.mean(miss**2))) / deviation, "1")

    return [
        error(series.predict(times, values, (5,)).yhat, ""),
        error(series.least_squares(values, (5,), [*range(1, 24), *range(40, 56), *range(328, 340)], 0.9995), "@rls"),
        error(series.persistence(values, (5,)), "@persistence"),
        error(np.nan_to_num(series.seasonal(values, (5,), 336)), "@seasonal"),
    ]


def main() -> None:
    """Run and print."""
    given = reader(__doc__, "conformal_elec2", seeds=5).parse_args()
    path, base = recorded(given.data, "elec2.csv", "elec2_first2000_base_forecasts.csv")
    header, rows = series.columns(path)
    price, demand = (np.array([float(row[header.index(name)]) for row in rows]) for name in ("nswprice", "nswdemand"))
    times = HALF_HOUR * np.arange(len(rows))
    figures = own(times, demand, given.seeds) + given_base(base)
    figures += ahead("price", times, price) + ahead("demand", times, demand)
    finish("New South Wales demand: intervals at 90 %, and five steps ahead", figures, given.json, GOALS)


if __name__ == "__main__":
    main()
