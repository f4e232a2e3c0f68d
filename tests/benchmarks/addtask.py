"""Add task: how far back a learning rule can see (Marschall, Cho, Savin 2020, section 4.1; no recorded data).

x is a fair coin; y is 1 with probability .5 + .5 x[t - t1] - .25 x[t - t2]. One stream, task `label`, head `binary`:
every y is predicted from the x up to then, told, and learned from. The loss is that of the published probability, in
nats, test then train, mean over the last tenth of the run and over the seeds; beside it the step at which the loss of
the last 1,000 fell below .50. Floors, exact: .6616 without any x, .5192 with x[t - t1] alone, .4544 with both.

The state is carried, so a truncated learner can see past its window through what the network happens to remember: the
loss is no test of truncation (tests/engine/test_forward_rules.py has that one).
"""

import statistics
from typing import Any

import numpy as np

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.messages import Batch
from tests.benchmarks.command import finish, reader

LAGS = ((6, 10), (15, 25))
CALL = 1000  # observations in a call
BELOW = 0.50
# Of Adam: rate, and updates until it falls with their root. What is found late must not be learned slowly: the rules
# that go back through the window stay on a plateau (.59: the mean of the near lag) for half of the run.
RATES: dict[type[spec.Part], tuple[float, int]] = {spec.Rtrl: (0.003, 4_000)}
RATE = (0.001, 40_000)  # of all others
CLIP = 100.0  # of the norm: clipped at every sample, a gradient of -ln p is one of the sign alone, and p goes to 0 or 1
UNITS = 32
LRU = (spec.Lru(UNITS, r_min=0.8, r_max=0.99), spec.Dense(UNITS, "relu"))
CELLS = {"elman": (spec.Elman(UNITS),), "gru": (spec.Gru(UNITS),), "lstm": (spec.Lstm(UNITS),), "lru": LRU}
GOALS = {
    "addtask.6_10.lru.rtrl.nats": "<= .46 within 1e5 steps",
    "addtask.6_10.gru.tbptt20.nats": "<= .48 at 1e5, <= .46 at 1e6",
}


def variants() -> dict[str, tuple[tuple[spec.Layer, ...], spec.Rule]]:
    """Layers and rule of every row."""
    made: dict[str, tuple[tuple[spec.Layer, ...], spec.Rule]] = {"lru.rtrl": (CELLS["lru"], spec.Rtrl())}
    made |= {f"{cell}.snap1": (CELLS[cell], spec.Snap1()) for cell in ("elman", "gru", "lstm")}
    made |= {f"{cell}.immediate": (layers, spec.Immediate()) for cell, layers in CELLS.items()}
    for cell in ("elman", "gru"):
        made |= {f"{cell}.tbptt{window}": (CELLS[cell], spec.Tbptt(window, 1)) for window in (1, 5, 10, 20)}
    return made


def series(lags: tuple[int, int], steps: int, seed: int) -> tuple[Any, Any]:
    """x and y (steps)."""
    random = np.random.default_rng(seed)
    x = (random.random(steps + max(lags)) < 0.5).astype(float)
    one, two = (x[max(lags) - lag : len(x) - lag] for lag in lags)
    return x[max(lags) :], (random.random(steps) < 0.5 + 0.5 * one - 0.25 * two).astype(float)


def losses(layers: tuple[spec.Layer, ...], rule: spec.Rule, x: Any, y: Any, seed: int) -> Any:
    """Loss in nats of every published probability."""
    rate, period = RATES.get(type(rule), RATE)
    model = spec.Model(
        features=("x",), task="label", label_memory=1, layers=layers, rule=rule, head=spec.Binary(), seed=seed,
        optimiser=spec.Adam(rate=rate, clip=CLIP, schedule="sqrt", period=period),
    )  # fmt: skip
    engine, told = Engine(model, 1), []
    rows = engine.admit(["a"])
    for start in range(0, len(x), CALL):
        part, label = x[start : start + CALL, None], y[start : start + CALL]
        n = len(label)
        none, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
        times = 60.0 * np.arange(start, start + n)
        batch = Batch(["a"] * n, ones, [False] * n, times, part, label, none, none - 1, none)
        told.append(engine.step(batch, np.repeat(rows, n)).forecast[:, 0, 0, 0])
    p = np.concatenate(told)
    p = np.clip(np.where(np.isnan(p), 0.5, p), 1e-4, 1 - 1e-4)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def first_below(loss: Any) -> float:
    """The first step at which the mean of the last 1,000 losses is below BELOW; infinite when it never is."""
    running = np.convolve(loss, np.ones(1000) / 1000, "valid")
    found = np.flatnonzero(running < BELOW)
    return float(found[0] + 1000) if len(found) else float("inf")


def main() -> None:
    made = reader(__doc__, seeds=5, steps=100_000)
    made.add_argument("--only", default="", help="rows whose name contains this")
    given = made.parse_args()
    rows: list[Figure] = []
    for lags in LAGS:
        for name, (layers, rule) in variants().items():
            full = f"addtask.{lags[0]}_{lags[1]}.{name}"
            if given.only not in full:
                continue
            runs = [losses(layers, rule, *series(lags, given.steps, seed), seed) for seed in range(1, given.seeds + 1)]
            rows.append(figure(f"{full}.nats", float(np.mean([run[-len(run) // 10 :].mean() for run in runs])), "nats"))
            rows.append(figure(f"{full}.below_steps", statistics.median(map(first_below, runs)), "1"))
    finish("Add task", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
