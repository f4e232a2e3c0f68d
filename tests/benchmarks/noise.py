"""Pure noise: how many alerts come where nothing ever happens, and what comes of a shift (no recorded data).

Streams of independent numbers, a quarter each Gaussian, uniform, Laplace and Student with three degrees of freedom; the
default configuration of the preset, everything through the engine in one pass. An alert is an event that opens. The
ratio is of alerts that came to alerts asked for, in the stream's own time, from the end of the warm-up on; 1 is wanted.

Then every stream moves by twelve of its standard deviations, for good. Told are the share of streams that said so by
exactly one `regime_change` within twice the hold-off (a value that does not surprise does not count), by more than one
in all 500 observations, and the alarms of a stream behind the hold-off.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.messages import Batch
from tests.benchmarks.command import finish, reader

STREAMS = 200
SHIFT = 12.0
AFTER = 500  # observations behind the shift
CALL = 50  # observations of every stream in a call
INTERVALS = {"minute": 60.0, "ten_minutes": 600.0}  # one alert a week: in 10,080 observations, in 1,008
GOALS = {"noise.minute.ratio": "1 / 1.5 .. 1.5", "noise.ten_minutes.ratio": "1 / 1.5 .. 1.5", "noise.shift.told": "1"}

KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Any]] = {
    "gaussian": lambda random, size: random.normal(size=size),
    "uniform": lambda random, size: random.uniform(-1.0, 1.0, size) * np.sqrt(3.0),
    "laplace": lambda random, size: random.laplace(scale=np.sqrt(0.5), size=size),
    "student": lambda random, size: random.standard_t(3, size) / np.sqrt(3.0),
}


def noise(streams: int, steps: int, seed: int) -> Any:
    """Values (steps, streams) of variance 1; the kinds take turns."""
    random = np.random.default_rng(seed)
    each = [make(random, (steps, streams // len(KINDS))) for make in KINDS.values()]
    return np.stack(each, axis=2).reshape(steps, -1)


def told(engine: Engine, values: Any, interval: float) -> tuple[Any, Any]:
    """Bits of every outcome and what had been expected, (steps, streams) each."""
    streams = values.shape[1]
    names = [f"noise-{number}" for number in range(streams)]
    rows, bits, expected = engine.admit(names), [], []
    for start in range(0, len(values), CALL):
        part = values[start : start + CALL]
        n = part.size
        none, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
        times = np.repeat(interval * np.arange(start, start + len(part)), streams)
        label = np.full(n, np.nan)
        batch = Batch(names * len(part), ones, [False] * n, times, part.reshape(n, 1), label, none, none - 1, none)
        outcomes = engine.step(batch, np.tile(rows, len(part)))
        bits.append(outcomes.bits.reshape(-1, streams))
        expected.append(outcomes.expected.reshape(-1, streams))
    return np.concatenate(bits), np.concatenate(expected)


def rates(bits: Any, warmup: int, asked: float) -> dict[str, float]:
    """Alerts that came over alerts asked for: of all streams, of each kind."""
    opened = (bits[warmup:] & m.OPENED) != 0
    found = {"": float(opened.mean()) / asked}
    return found | {f".{kind}": float(opened[:, i :: len(KINDS)].mean()) / asked for i, kind in enumerate(KINDS)}


def shift(bits: Any, at: int, holdoff: int) -> dict[str, float]:
    """What was said of a shift that came with observation `at`."""
    regime = (bits[at:] & m.REGIME) != 0
    soon = regime[: 2 * holdoff].sum(axis=0)
    late = (bits[at + holdoff + 1 :] & m.ANOMALY) != 0
    return {
        "told": float((soon == 1).mean()),
        "told_twice": float((regime.sum(axis=0) > 1).mean()),
        "alarms_after": float(late.mean()) * len(late),
    }


def measure(preset: Any, steps: int, seed: int) -> list[Figure]:
    """All figures of one preset."""
    rows: list[Figure] = []
    model = spec.Model(features=("x",), preset=preset, seed=seed)
    anomaly = spec.Anomaly()
    for name, interval in INTERVALS.items():
        values = noise(STREAMS, steps + AFTER, seed)
        values[steps:] += SHIFT
        bits, _ = told(Engine(model, STREAMS), values, interval)
        asked = min(anomaly.alerts_per_week * interval / 604_800.0, 1.0 / 1000.0)
        for kind, ratio in rates(bits[:steps], anomaly.warmup, asked).items():
            rows.append(figure(f"noise.{name}.ratio{kind}", ratio, "1"))
        for what, value in shift(bits, steps, anomaly.holdoff).items():
            rows.append(figure(f"noise.{name}.shift.{what}", value, "1"))
    return rows


def main() -> None:
    made = reader(__doc__, steps=20_000)
    made.add_argument("--preset", default="standard", choices=("light", "standard", "full"))
    made.add_argument("--seed", type=int, default=1)
    given = made.parse_args()
    finish(f"Noise, preset {given.preset}", measure(given.preset, given.steps, given.seed), given.json, GOALS)


if __name__ == "__main__":
    main()
