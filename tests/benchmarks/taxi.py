"""NYC taxi, passengers of half an hour, 2.5 hours ahead (Cui, Ahmad, Hawkins 2016), and the same series perturbed.

At row t row t+5 is predicted, then row t+1 comes. Rows 10,000 on: NRMSE is the root mean square error over the standard
deviation of all values, MAPE the sum of absolute errors over the sum of values. Perturbed: rows 13,152 to 17,514, with
the deviation of those rows. One pass of preset `full` as shipped; `@standard` and `@light` are the other presets.
Published rows (HTM, LSTM, ESN, kNN ...) are computed again from the forecasts their authors stored, where they lie
beside the data.
"""

from pathlib import Path

import numpy as np

from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader, recorded

AHEAD, DAY, WEEK = 5, 48, 336
LAGS = [*range(1, 24), *range(DAY - 8, DAY + 1), *range(WEEK - 10, WEEK + 1), *range(2 * WEEK - 10, 2 * WEEK + 1)]
GOALS = {
    "taxi.nrmse": "< .187",
    "taxi.mape": "< .0515",
    "taxi.perturbed.nrmse": "< .160",
    "taxi.perturbed.mape": "< .049",
    "taxi.nrmse@standard": "< .195",
    "taxi.mape@standard": "< .055",
    "taxi.mixed_over_best": "<= 1.02",
    "taxi.us": "<= 30",
    "taxi.us@standard": "<= 12",
    "taxi.us@light": "<= 5",
}


def measure(name: str, values: series.Array, told: series.Array, anchor: str = "") -> list[Figure]:
    """NRMSE and MAPE of forecasts `told` (n) made at each row."""
    first, last = (13_152, 17_515) if "perturbed" in name else (10_000, 17_515)
    rows = np.arange(first, min(last, len(values) - AHEAD))
    rows = rows[np.isfinite(told[rows])]
    actual = values[rows + AHEAD]
    deviation = float(np.std(values[first:last] if "perturbed" in name else values))
    miss = told[rows] - actual
    return [
        figure(f"{name}.nrmse{anchor}", float(np.sqrt(np.mean(miss**2))) / deviation, "1"),
        figure(f"{name}.mape{anchor}", float(np.abs(miss).sum() / np.abs(actual).sum()), "1"),
    ]


def read(path: Path) -> tuple[series.Array, series.Array]:
    """Times and values of one file; two rows of types stand under the header."""
    _, rows = series.columns(path, skip=2)
    return np.array([series.seconds(row[0]) for row in rows]), np.array([float(row[1]) for row in rows])


def published(name: str, path: Path, values: series.Array) -> list[Figure]:
    """Rows of the forecasts that the paper's authors stored."""
    if not path.exists():
        return []
    header, rows = series.columns(path)
    found = []
    for place, model in enumerate(header[2:], 2):
        told = np.full(len(values), np.nan)
        for row in rows:
            if place < len(row) and row[place]:
                told[int(row[0])] = float(row[place])
        found += measure(name, values, told, f"@{model}")
    return found


def one(name: str, path: Path, seeds: int) -> list[Figure]:
    """All rows of one file."""
    times, values = read(path)
    rows: list[Figure] = []
    told = [series.predict(times, values, (AHEAD,), seed=seed) for seed in range(1, seeds + 1)]
    each = [measure(name, values, one.yhat[:, 0]) for one in told]
    for kind in range(2):
        rows += series.spread(each[0][kind].name, [float(measured[kind].value or 0.0) for measured in each], "1")
    rows.append(figure(f"{name}.us", min(one.us for one in told), "us"))
    for preset in ("standard", "light"):
        other = series.predict(times, values, (AHEAD,), preset)
        rows += measure(name, values, other.yhat[:, 0], f"@{preset}")
        rows.append(figure(f"{name}.us@{preset}", other.us, "us"))
    linear, us = series.timed(lambda: series.least_squares(values, (AHEAD,), LAGS, 0.9999), len(values))
    rows += measure(name, values, linear[:, 0], "@rls")
    rows.append(figure(f"{name}.us@rls", us, "us"))
    rows += measure(name, values, values, "@persistence")
    rows += measure(name, values, series.seasonal(values, (AHEAD,), WEEK)[:, 0], "@seasonal")
    return rows


def main() -> None:
    """Run and print."""
    given = reader(__doc__, "nyc_taxi", seeds=5).parse_args()
    plain, perturbed = recorded(given.data, "nyc_taxi.csv", "nyc_taxi_perturb.csv")
    times, values = read(plain)
    rows = one("taxi", plain, given.seeds)
    rows.append(figure("taxi.mixed_over_best", series.mixed_over_best(times, values, (AHEAD,)), "1"))
    rows += published("taxi", given.data / "reference_predictions.csv", values)
    rows += one("taxi.perturbed", perturbed, given.seeds)
    rows += published("taxi.perturbed", given.data / "reference_predictions_perturb.csv", read(perturbed)[1])
    finish("NYC taxi, 2.5 hours ahead", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
