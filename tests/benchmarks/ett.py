"""ETT transformer load, hourly, online and without leakage, 1, 24 and 48 hours ahead (protocol of FSNet, ICLR 2023).

Seven variables, each a stream of its own; values and errors are z-scored with mean and deviation of rows 0 to 2,879;
test rows are 3,600 to 14,399, n = 10,800 - H + 1 forecasts; MSE and MAE are means over forecasts, H steps and
variables. One pass from row 0 of preset `full` as shipped; an answer is learned from when its time has come, never
before. --data takes a directory with ETTh2.csv, or any one file of that form.

Published without leakage, MSE of ETTh2 at 1 / 24 / 48: PatchTST .362 / 1.622 / 2.716, DSOF-DLinear .365 / 1.694 /
3.015, DSOF-FITS .375 / 1.757 / 2.988 (DSOF, ICLR 2025, tables 2 and 3). FSNet and OneNet learn from answers that have
not come.
"""

from pathlib import Path

import numpy as np

from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader, recorded

TRAIN, FIRST, LAST, DAY = 2880, 3600, 14_400, 24
AHEAD = (1, 24, 48)
GOALS = {
    "ett.h1.mse": "< .325 (DSOF .365)",
    "ett.h24.mse": "< 1.50 (DSOF 1.694)",
    "ett.h48.mse": "< 2.45 (DSOF 2.988)",
    "ett.h1.mse@standard": "< .345",
    "ett.h24.mse@standard": "< 1.53",
    "ett.h48.mse@standard": "< 2.48",
    "ett.h1.mae": "< .310",
    "ett.h24.mae": "< .54",
    "ett.h48.mae": "< .65",
    "ett.h1.mixed_over_best": "<= 1.02",
}


def score(name: str, values: series.Array, told: list[series.Array], anchor: str = "") -> list[Figure]:
    """MSE and MAE of forecasts (n, H) of every variable, issued at each row for the next H."""
    ahead = told[0].shape[1]
    rows = np.arange(FIRST - 1, LAST - ahead)
    squares, sizes = [], []
    for place, forecasts in enumerate(told):
        for k in range(ahead):
            miss = (forecasts[rows, k] - values[rows + k + 1, place]) / np.std(values[:TRAIN, place])
            miss = miss[np.isfinite(miss)]
            squares.append(np.mean(miss**2))
            sizes.append(np.mean(np.abs(miss)))
    return [
        figure(f"{name}.mse{anchor}", float(np.mean(squares)), "1"),
        figure(f"{name}.mae{anchor}", float(np.mean(sizes)), "1"),
    ]


def runs(
    times: series.Array, values: series.Array, ahead: int, preset: str, names: int, seeds: int
) -> list[Figure]:  # fmt: skip
    """MSE and MAE of a preset: means over names of the streams and seeds, which seed their weights; sd, the worst."""
    name, steps, places = f"ett.h{ahead}", tuple(range(1, ahead + 1)), range(values.shape[1])
    each, us = [], []
    for seed in range(1, seeds + 1):
        for number in range(names):
            told = [
                series.predict(times, values[:, place], steps, preset, seed, f"{number}-{place}") for place in places
            ]
            each.append(score(name, values, [one.yhat for one in told]))
            us.append(float(np.mean([one.us for one in told])))
    anchor = "" if preset == "full" else f"@{preset}"
    rows: list[Figure] = []
    for kind, measure in enumerate(("mse", "mae")):
        found = np.array([float(measured[kind].value or 0.0) for measured in each])
        rows.append(figure(f"{name}.{measure}{anchor}", float(found.mean()), "1"))
        if len(found) > 1:
            rows.append(figure(f"{name}.{measure}.sd{anchor}", float(found.std(ddof=1)), "1"))
            rows.append(figure(f"{name}.{measure}.worst{anchor}", float(found.max()), "1"))
    return [*rows, figure(f"{name}.us{anchor}", min(us), "us")]


def horizon(times: series.Array, values: series.Array, ahead: int, names: int, seeds: int) -> list[Figure]:
    """All rows of one largest horizon."""
    name, steps, places = f"ett.h{ahead}", tuple(range(1, ahead + 1)), range(values.shape[1])
    rows = runs(times, values, ahead, "full", names, seeds) + runs(times, values, ahead, "standard", names, seeds)
    linear = [series.least_squares(values[:, place], steps, range(1, 48), 0.999) for place in places]
    rows += score(name, values, linear, "@rls")
    rows += score(name, values, [series.persistence(values[:, place], steps) for place in places], "@persistence")
    rows += score(name, values, [series.seasonal(values[:, place], steps, DAY) for place in places], "@seasonal")
    return rows


def read(path: Path) -> tuple[series.Array, series.Array]:
    """Times and values (n, variables) up to the last test row."""
    _, rows = series.columns(path)
    rows = rows[:LAST]
    return (
        np.array([series.seconds(row[0]) for row in rows]),
        np.array([[float(value) for value in row[1:]] for row in rows]),
    )


def main() -> None:
    """Run and print."""
    parser = reader(__doc__, "ett", seeds=1)
    parser.add_argument("--names", type=int, default=10, help="names a stream has in turn (default 10)")
    parser.add_argument("--ahead", type=int, nargs="+", default=AHEAD, help="largest horizons, in hours")
    given = parser.parse_args()
    path = given.data if given.data.is_file() else recorded(given.data, "ETTh2.csv")[0]
    times, values = read(path)
    rows: list[Figure] = []
    for ahead in given.ahead:
        rows += horizon(times, values, ahead, given.names, given.seeds)
    worst = [series.mixed_over_best(times, values[:, place], (1,)) for place in range(values.shape[1])]
    rows.append(figure("ett.h1.mixed_over_best", float(np.max(worst)), "1"))
    finish(f"{path.stem}, hourly, online without leakage", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
