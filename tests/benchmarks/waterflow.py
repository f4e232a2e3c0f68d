"""WaterFlow of river: hourly flow of a water main, 1,268 values: mean absolute error 1, 3, 6 and 24 hours ahead.

One pass of preset `full` as shipped, every forecast before its answer, on the rows where all models have a forecast.
The data come with river; --data is not needed. Anchors: persistence, 24 hours ago, plain recursive least squares, and
river's SNARIMAX and HoltWinters, each the better of two settings at every horizon.
"""

import warnings

import numpy as np
from river.datasets import WaterFlow

from streamrnn.evaluation import baselines
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader

STEPS, DAY = (1, 3, 6, 24), 24
GOALS = {
    "waterflow.h1.mae": "<= .60",
    "waterflow.h3.mae": "<= 1.55",
    "waterflow.h6.mae": "<= 2.82",
    "waterflow.h24.mae": "<= 5.45",
}


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=5).parse_args()
    stream = [(when["Time"].timestamp(), float(flow)) for when, flow in WaterFlow()]
    times, values = np.array([when for when, _ in stream]), np.array([flow for _, flow in stream])
    told = {f"#{seed}": series.predict(times, values, STEPS, seed=seed) for seed in range(1, given.seeds + 1)}
    models = {name: one.yhat for name, one in told.items()}
    for preset in ("standard", "light"):
        models[preset] = series.predict(times, values, STEPS, preset).yhat
    models["rls"] = series.least_squares(values, STEPS, range(1, 26), 0.9995)
    naive = baselines.naive(times, values, STEPS)
    models["persistence"], models["seasonal"] = naive["persistence"], naive["24 h ago"]
    families: dict[str, list[str]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for setting in baselines.settings():
            models[setting.name] = baselines.predict(setting, values.tolist(), STEPS)
            families.setdefault(setting.family, []).append(setting.name)
    errors, counts = baselines.errors(baselines.answers(times, values, STEPS), models)
    rows: list[Figure] = []
    for k, h in enumerate(STEPS):
        name = f"waterflow.h{h}.mae"
        rows += series.spread(name, [float(errors[one][k]) for one in told], "l/s")
        for anchor in ("standard", "light", "rls", "persistence", "seasonal"):
            rows.append(figure(f"{name}@{anchor}", float(errors[anchor][k]), "l/s"))
        for family, members in families.items():
            rows.append(figure(f"{name}@{family}", float(min(errors[one][k] for one in members)), "l/s"))
    rows.append(figure("waterflow.rows", float(min(counts)), "rows"))
    rows.append(figure("waterflow.us", min(one.us for one in told.values()), "us"))
    rows.append(figure("waterflow.mixed_over_best", series.mixed_over_best(times, values, STEPS, "mae"), "1"))
    finish("WaterFlow, hourly", rows, given.json, {**GOALS, "waterflow.mixed_over_best": "<= 1.02"})


if __name__ == "__main__":
    main()
