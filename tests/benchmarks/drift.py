"""What the reactions to a drift bring, and how often one is seen where there is none (no recorded data).

Streams that follow their own past, x(t) = a x(t - 1) + b x(t - 2) + noise of variance 1: with (1.2, -0.5), and from the
middle of the run on with (-0.6, 0.3), at once (`abrupt`) or within 500 observations (`gradual`); or never (`none`).
Test then train, one pass, the preset with one detector and each set of reactions. Figures, by kind, detector and
reactions (`watch`: none):

    .mae        mean absolute error of the forecasts in the 1,500 observations from the change on; .8 is the best
    .delay      observations from the change to its detection, median
    .found      share of the streams in which it was found
    .false      detections before the change, in 10,000 observations
"""

from typing import Any

import numpy as np

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks.command import finish, reader
from tests.benchmarks.noise import told

STREAMS, BEHIND, SLOPE, INTERVAL = 40, 1500, 500, 600.0
DETECTORS: dict[str, Any] = {"adwin": spec.Adwin(), "page_hinkley": spec.PageHinkley()}
REACTIONS: dict[str, tuple[Any, ...]] = {
    "watch": (),
    "rate": ("rate",),
    "scaler": ("scaler",),
    "forget": ("forget",),
    "default": spec.Drift().reactions,
}
WEIGHTS = np.array([[1.2, -0.5], [-0.6, 0.3]])


def series(kind: str, steps: int, seed: int) -> Any:
    """Values (steps, STREAMS)."""
    random, values, middle = np.random.default_rng(seed), np.zeros((steps, STREAMS)), steps // 2
    noise = random.normal(size=values.shape)
    for t in range(2, steps):
        share = {"none": 0.0, "abrupt": float(t >= middle), "gradual": float(np.clip((t - middle) / SLOPE, 0, 1))}[kind]
        a, b = (1 - share) * WEIGHTS[0] + share * WEIGHTS[1]
        values[t] = a * values[t - 1] + b * values[t - 2] + noise[t]
    return values


def rows(name: str, model: spec.Model, values: Any, changes: bool) -> list[Figure]:
    """The figures of one run."""
    middle = len(values) // 2
    bits, expected = told(Engine(model, STREAMS), values, INTERVAL)
    found = (bits & m.DRIFT_FOUND) != 0
    error = float(np.nanmean(np.abs(expected - values)[middle : middle + BEHIND]))
    made = [
        figure(f"{name}.mae", error, "1"),
        figure(f"{name}.false", 1e4 * float(found[: middle if changes else None].mean()), "1"),
    ]
    if changes:
        late = found[middle : middle + BEHIND]
        delay = np.argmax(late, axis=0)[late.any(axis=0)]
        made.append(figure(f"{name}.found", float(late.any(axis=0).mean()), "1"))
        made.append(figure(f"{name}.delay", float(np.median(delay)) if len(delay) else float("nan"), "1"))
    return made


def main() -> None:
    made = reader(__doc__, steps=8_000)
    made.add_argument("--preset", default="light", choices=("light", "standard", "full"))
    made.add_argument("--seed", type=int, default=1)
    given = made.parse_args()
    figures: list[Figure] = []
    for kind in ("none", "abrupt", "gradual"):
        values = series(kind, given.steps, given.seed)
        for detector, chosen in DETECTORS.items():
            for reactions, names in REACTIONS.items():
                drift = spec.Drift(detectors=(chosen,), reactions=names)
                model = spec.Model(features=("x",), preset=given.preset, drift=drift)
                figures += rows(f"drift.{kind}.{detector}.{reactions}", model, values, kind != "none")
    finish(f"Drift, preset {given.preset}", figures, given.json)


if __name__ == "__main__":
    main()
