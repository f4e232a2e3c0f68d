"""Mackey-Glass, tau 17, sampled every 3, observed with noise: 2 and 8 samples ahead, where a linear forecast fails.

x' = .2 x(t - 17) / (1 + x(t - 17)^10) - .1 x, integrated by Euler steps of .1; noise of .02 of the deviation is added
to what is seen. 20,000 samples, the last half scored against what is seen: NRMSE is the root mean square error over
the deviation. One pass of preset `full` as shipped. Anchors: plain recursive least squares on 26 lags, persistence.
The series is generated; --data is not needed.
"""

import numpy as np

from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import series
from tests.benchmarks.command import finish, reader

STEPS, TAU, STEP, EVERY, NOISE = (2, 8), 17.0, 0.1, 3.0, 0.02
GOALS = {
    "mackeyglass.h2.nrmse": "< .028 (the true equation .0204)",
    "mackeyglass.h8.nrmse": "< .038 (.0206)",
    "mackeyglass.h2.nrmse@standard": "< .045",
    "mackeyglass.h8.nrmse@standard": "< .060",
}


def generate(samples: int, seed: int) -> series.Array:
    """The series as it is seen."""
    delay, between = round(TAU / STEP), round(EVERY / STEP)
    random = np.random.default_rng(seed)
    x = np.empty(delay + 1 + (samples + 100) * between)
    x[: delay + 1] = 1.2 + 0.05 * random.standard_normal()
    for t in range(delay, len(x) - 1):
        late = x[t - delay]
        x[t + 1] = x[t] + STEP * (0.2 * late / (1.0 + late**10) - 0.1 * x[t])
    clean = x[delay + 1 + 100 * between :: between][:samples]
    return clean + NOISE * np.std(clean) * random.standard_normal(samples)


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=5, steps=20_000).parse_args()
    found: dict[str, list[float]] = {}
    us = []
    for seed in range(1, given.seeds + 1):
        values = generate(given.steps, seed)
        times = np.arange(given.steps, dtype=np.float64)
        told = series.predict(times, values, STEPS, seed=seed)
        us.append(told.us)
        models = {
            "": told.yhat,
            "@standard": series.predict(times, values, STEPS, "standard", seed).yhat,
            "@rls": series.least_squares(values, STEPS, range(1, 27), 0.9995),
            "@persistence": series.persistence(values, STEPS),
        }
        for name, forecasts in models.items():
            for k, h in enumerate(STEPS):
                rows = np.arange(given.steps // 2, given.steps - h)
                error = np.sqrt(np.mean((forecasts[rows, k] - values[rows + h]) ** 2)) / np.std(values)
                found.setdefault(f"mackeyglass.h{h}.nrmse{name}", []).append(float(error))
    figures: list[Figure] = []
    for name, errors in found.items():
        figures += series.spread(name, errors, "1")
    figures.append(figure("mackeyglass.us", min(us), "us"))
    figures.append(figure("mackeyglass.mixed_over_best", series.mixed_over_best(times, values, STEPS), "1"))
    finish("Mackey-Glass with noise", figures, given.json, {**GOALS, "mackeyglass.mixed_over_best": "<= 1.02"})


if __name__ == "__main__":
    main()
