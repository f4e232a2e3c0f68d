"""The network alone, trained by the filter: what it learns of generated and recorded series in one pass, beside Adam.

No expert but the last value stands beside the network; it sees the raw series (taxi: and the calendar). Every row is
the mean over seeds and stream names, scored on what is published, before it is learned.

    logistic     x' = 3.9 x (1 - x), MAE by parts of the stream, GRU(8); also with noise of .01 on what is seen
    thermostat   a heater that is on until 21 degrees and off until 19, seen is the temperature alone: error 1 and 5
                 steps ahead over the deviation, GRU(8)
    mackeyglass  NRMSE of the last half at 2 and 8 steps (as in `mackeyglass`), GRU(16)
    change       at row 15,000 the same series times -1.5 plus .7: error over the deviation behind it, GRU(8)
    linear       y' = .5 y + x + .3 e, x an AR(1) of .7, RMSE of the last half, GRU(8)
    product      y' = .5 y + x x(t - 1) + .3 e
    taxi         as in `taxi`, GRU(16)
    addtask      lags 6 and 10, as in `addtask`, GRU(16)
    friedman, phishing   river's, labels that come with their features, scored from a tenth on, LSTM(16)
    falls        runs whose last tenth is more than twice the median of the seeds, of all rows; with --falls 20 over so
                 many seeds of each, one name

Beside the filter: Adam, SGD, ObGD; `@rls`, the same network as it begins with a readout by recursive least squares;
`@echo`, an echo state network with 100 units and lags (reservoir.py). `us` is the processor's time of the whole engine
(of `@echo`, of itself), the least of all runs; `sgemm` is the rate of this core's matrix product.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn import spec
from streamrnn.bench.engine import sgemm
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import addtask, mackeyglass, taxi
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.reservoir import echo
from tests.engine.feed import batch

OPTIMISERS: dict[str, Any] = {
    "": spec.Ekf(),
    "@adam": spec.Adam(),
    "@sgd": spec.Sgd(),
    "@obgd": spec.Obgd(),
    "@rls": spec.Ekf(weights=1e-12, noise=0.0),  # the layers cannot move
    "@echo": "echo",
}
GOALS = {
    "ekf.logistic.rows1000.mae": "<= .022",
    "ekf.logistic.rows12000.mae": "<= .004",
    "ekf.mackeyglass.h2.nrmse": "<= .033",
    "ekf.mackeyglass.h8.nrmse": "<= .040",
    "ekf.mackeyglass.h2.worst": "< .06",
    "ekf.linear.rmse": "<= .302",
    "ekf.product.rmse": "<= .60",
    "ekf.taxi.nrmse": "<= .245",
    "ekf.addtask.nats": "<= .462",
    "ekf.friedman.mae": "<= 1.45",
    "ekf.phishing.accuracy": ">= .90",
    "ekf.change.rows1000.mae": "<= .16",
    "ekf.change.rows4000.mae": "<= .10",
    "ekf.gru8.us": "<= 4",
    "ekf.gru16.us": "<= 12",
    "ekf.falls": "0",
}
Found = dict[str, float]
Run = Callable[[Any, int, str], Found]


class Passed:
    """One pass over a series: forecasts (n, K), microseconds an observation, bytes of the stream."""

    def __init__(self, values: Any, name: str, columns: dict[str, Any] | None = None, **settings: Any) -> None:
        if settings["optimiser"] == "echo":
            self._echo(values, columns or {}, settings)
            return
        plain: dict[str, Any] = {"features": ("y",), "experts": (spec.Last(),), "inputs": ("value",), "gate": False}
        engine = Engine(spec.Model(**{**plain, **settings}), 1)
        messages = batch([name] * len(values), values, **(columns or {}))
        rows, begun = engine.admit(messages.names), time.process_time()
        told = engine.step(messages, rows)
        self.us = 1e6 * (time.process_time() - begun) / len(values)
        self.told, self.bytes = told.forecast[:, 0, :, 0], engine.bytes_per_stream

    def _echo(self, values: Any, columns: dict[str, Any], settings: dict[str, Any]) -> None:
        inputs = np.ascontiguousarray(values if np.ndim(values) == 2 else np.asarray(values)[:, None], float)
        if "calendar" in settings.get("inputs", ()):
            angles = 2 * np.pi * np.asarray(columns["time"])[:, None] / np.array([86_400.0, 604_800.0])
            inputs = np.column_stack([inputs, *(f(n * angles) for n in (1, 2) for f in (np.sin, np.cos))])
        targets, steps = columns.get("label", inputs[:, 0]), (0,) if "label" in columns else settings["horizons"]
        found = echo(inputs, np.ascontiguousarray(targets, float), steps, settings["seed"])
        self.told, self.us, self.bytes = found.told, found.us, found.bytes


PARTS = ((200, 500), (500, 1000), (2000, 4000), (8000, 12_000))  # rows of the logistic map


def logistic(optimiser: Any, seed: int, name: str) -> Found:
    random = np.random.default_rng(seed)
    x, found = np.empty(12_000), {}
    x[0] = random.uniform(0.1, 0.9)
    for t in range(1, len(x)):
        x[t] = 3.9 * x[t - 1] * (1 - x[t - 1])
    settings = {"layers": (spec.Gru(8),), "rule": spec.Tbptt(4, 1), "horizons": (1,), "seed": seed}
    for title, values in (("logistic", x), ("logistic.noise", x + 0.01 * random.normal(size=len(x)))):
        one = Passed(values, name, optimiser=optimiser, **settings)
        miss = np.abs(one.told[:-1, 0] - values[1:])
        found |= {f"{title}.rows{last}.mae": float(miss[first:last].mean()) for first, last in PARTS}
        found[f"{title} tail"] = float(miss[-1200:].mean())
    return {**found, "gru8.us": one.us, "gru8.bytes": float(one.bytes)}


def thermostat(optimiser: Any, seed: int, name: str) -> Found:
    """Room temperature about 10 degrees outside; what is hidden is whether the heater is on."""
    random, x, on = np.random.default_rng(seed), np.empty(6000), True
    x[0] = 20.0
    for t in range(1, len(x)):
        on = x[t - 1] < 21.0 if on else x[t - 1] < 19.0
        x[t] = x[t - 1] + 0.02 * (10.0 - x[t - 1]) + (0.5 if on else 0.0) + 0.02 * random.normal()
    settings = {"layers": (spec.Gru(8),), "rule": spec.Tbptt(8, 1), "horizons": (1, 5), "seed": seed}
    one, found = Passed(x, name, optimiser=optimiser, **settings), {}
    for k, h in enumerate((1, 5)):
        miss = (one.told[:-h, k] - x[h:])[3000:]
        found[f"thermostat.h{h}.nrmse"] = float(np.sqrt(np.mean(miss**2)) / x.std())
        found[f"thermostat h{h} tail"] = float(np.abs(miss[-600:]).mean())
    return found


def mackey_glass(optimiser: Any, seed: int, name: str) -> Found:
    x, found = mackeyglass.generate(20_000, seed), {}
    settings = {"optimiser": optimiser, "layers": (spec.Gru(16),), "rule": spec.Tbptt(16, 1), "seed": seed}
    one = Passed(x, name, horizons=(2, 8), **settings)
    for k, h in enumerate((2, 8)):
        miss = (one.told[:-h, k] - x[h:])[10_000:]
        found[f"mackeyglass.h{h}.nrmse"] = float(np.sqrt(np.mean(miss**2)) / x.std())
        found[f"mackeyglass h{h} tail"] = float(np.abs(miss[-2000:]).mean())
    one = Passed(x, name, horizons=(1,), **settings)
    return {**found, "gru16.us": one.us, "gru16.bytes": float(one.bytes)}


def change(optimiser: Any, seed: int, name: str) -> Found:
    x = mackeyglass.generate(20_000, seed)
    x[15_000:] = -1.5 * x[15_000:] + 0.7
    one = Passed(x, name, horizons=(2,), optimiser=optimiser, layers=(spec.Gru(8),), rule=spec.Tbptt(8, 1), seed=seed)
    miss = np.abs(one.told[:-2, 0] - x[2:]) / x[15_000:].std()
    return {
        "change.rows1000.mae": float(miss[15_500:16_000].mean()),
        "change.rows4000.mae": float(miss[17_000:19_000].mean()),
        "change tail": float(miss[-1500:].mean()),
    }


def streams(optimiser: Any, seed: int, name: str) -> Found:
    found = {}
    for title in ("linear", "product"):
        random = np.random.default_rng(seed)
        x, y = np.zeros(6000), np.zeros(6000)
        for t in range(2, 6000):
            x[t] = 0.7 * x[t - 1] + random.normal()
            driven = x[t - 1] * x[t - 2] if title == "product" else x[t - 1]
            y[t] = 0.5 * y[t - 1] + driven + 0.3 * random.normal()
        settings: dict[str, Any] = {
            "features": ("y", "x"),
            "targets": ("y",),
            "layers": (spec.Gru(8),),
            "rule": spec.Tbptt(6, 1),
        }
        settings["horizons"] = (1,)
        one = Passed(np.column_stack([y, x]), name, optimiser=optimiser, seed=seed, **settings)
        miss = one.told[:-1, 0] - y[1:]
        found[f"{title}.rmse"] = float(np.sqrt(np.mean(miss[3000:] ** 2)))
        found[f"{title} tail"] = float(np.abs(miss[-600:]).mean())
    return found


def taxis(optimiser: Any, seed: int, name: str) -> Found:
    (path,) = recorded(taxis.data / "nyc_taxi" if taxis.data.name != "nyc_taxi" else taxis.data, "nyc_taxi.csv")
    times, values = taxi.read(path)
    settings = {"inputs": ("value", "calendar"), "layers": (spec.Gru(16),), "rule": spec.Tbptt(8, 1), "horizons": (5,)}
    one = Passed(values, name, {"time": times}, optimiser=optimiser, seed=seed, **settings)
    tail = float(np.abs(one.told[:-5, 0] - values[5:])[-len(values) // 10 :].mean())
    return {"taxi.nrmse": float(taxi.measure("taxi", values, one.told[:, 0])[0].value or 0.0), "taxi tail": tail}


def add_task(optimiser: Any, seed: int, name: str) -> Found:
    x, y = addtask.series((6, 10), 100_000, seed)
    settings = {"task": "label", "head": spec.Binary(), "layers": (spec.Gru(16),), "rule": spec.Tbptt(12, 1)}
    one = Passed(x[:, None], name, {"label": y}, label_memory=1, optimiser=optimiser, seed=seed, **settings)
    p = np.clip(np.nan_to_num(one.told[:, 0], nan=0.5), 1e-4, 1 - 1e-4)
    nats = float(-np.where(y == 1, np.log(p), np.log1p(-p))[-10_000:].mean())
    return {"addtask.nats": nats, "addtask tail": nats}


def labels(optimiser: Any, seed: int, name: str) -> Found:
    from river import datasets

    settings = {"task": "label", "layers": (spec.Lstm(16),), "rule": spec.Tbptt(16, 1), "optimiser": optimiser}
    found = {}
    rows = list(datasets.synth.Friedman(seed=seed).take(5000))
    for title, pairs, head in (("friedman", rows, spec.Gaussian()), ("phishing", list(datasets.Phishing()), None)):
        x = np.array([list(features.values()) for features, _ in pairs], float)
        y = np.array([label for _, label in pairs], float)
        features = tuple(str(key) for key in pairs[0][0])
        one = Passed(x, name, {"label": y}, features=features, head=head or spec.Binary(), seed=seed, **settings)
        if title == "friedman":
            miss = np.abs(one.told[500:, 0] - y[500:])
            found |= {"friedman.mae": float(miss.mean()), "friedman tail": float(miss[-450:].mean())}
        else:
            right = ((one.told[:, 0] > 0.5) == (y > 0.5))[len(y) // 10 :]
            found |= {
                "phishing.accuracy": float(right.mean()),
                "phishing tail": float(1.0 - right[-len(y) // 10 :].mean()),
            }
    return found


RUNS: dict[str, Run] = {
    "logistic": logistic,
    "thermostat": thermostat,
    "mackeyglass": mackey_glass,
    "change": change,
    "streams": streams,
    "taxi": taxis,
    "addtask": add_task,
    "labels": labels,
}


def falls(each: list[Found]) -> int:
    """Runs whose last tenth is more than twice the median."""
    tails = [key for key in each[0] if key.endswith(" tail")]
    return sum(int(one[key] > 2.0 * np.median([other[key] for other in each])) for key in tails for one in each)


def figures(mark: str, each: list[Found]) -> list[Figure]:
    """The rows of one task and optimiser: means, the least of times, the worst seed of Mackey-Glass."""
    rows = []
    for key in (key for key in each[0] if not key.endswith(" tail")):
        found = [one[key] for one in each]
        unit = key.rpartition(".")[2] if key.endswith((".us", ".bytes", ".nats")) else "1"
        rows.append(figure(f"ekf.{key}{mark}", min(found) if unit == "us" else float(np.mean(found)), unit))
        if key == "mackeyglass.h2.nrmse":
            rows.append(figure(f"ekf.mackeyglass.h2.worst{mark}", max(found), "1"))
    return rows


def main() -> None:
    made = reader(__doc__, "nyc_taxi", seeds=5)
    made.add_argument("--names", type=int, default=3, help="stream names beside each seed (default 3)")
    made.add_argument("--falls", type=int, default=0, help="count falls over so many seeds of each row (default 0)")
    made.add_argument("--only", default="", help=f"one of {', '.join(RUNS)}")
    made.add_argument("--optimisers", default=",".join(OPTIMISERS), help="marks, comma separated; default: all")
    given = made.parse_args()
    taxis.data = given.data  # type: ignore[attr-defined]
    rows: list[Figure] = [figure("ekf.sgemm", sgemm(), "GFLOP/s")]
    for mark in given.optimisers.split(","):
        fallen = 0
        for title, run in RUNS.items():
            if given.only not in title:
                continue
            pairs = [(seed, f"series {number}") for seed in range(1, given.seeds + 1) for number in range(given.names)]
            each = [run(OPTIMISERS[mark], *pair) for pair in pairs]
            rows += figures(mark, each)
            more = [run(OPTIMISERS[mark], seed, "series 0") for seed in range(given.seeds + 1, given.falls + 1)]
            fallen += falls(each + more)
        rows.append(figure(f"ekf.falls{mark}", float(fallen), "1"))
    finish("The filter, the network alone", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
