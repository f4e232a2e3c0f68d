"""Pure noise: how many alerts come where nothing ever happens, and what comes of a shift (no recorded data).

Streams of independent numbers, a quarter each Gaussian, uniform, Laplace and Student with three degrees of freedom; the
default configuration of the preset, everything through the engine in one pass. An alert is an event that opens. The
ratio is of alerts that came to alerts asked for, in the stream's own time, from the end of the warm-up on; 1 is wanted.

Then every stream moves by twelve of its standard deviations, for good. Told are the share of streams that said so by
exactly one `regime_change` within twice the hold-off (a value that does not surprise does not count), by more than one
in all 500 observations, and the alarms of a stream behind the hold-off.

    noise.CELL.KIND.*   fourteen kinds of ordinary data (`made`), each at four intervals (15 s: 20 streams of 3 weeks,
                        1 min: 50 of 4, 10 min and 1 h: 200 of 8): events of a stream in its first 24 h and its first
                        week, and from then on those that came over those asked for (one a week, at most one in 1,000
                        observations). What opens within the hold-off of a made step or reset does not count.
    noise.continuous.later.ratio        all continuous kinds together
    noise.least, noise.worst            smallest of the continuous cells, largest of all; both of cells in which at
                                        least 100 events are asked for
    noise.worst.first_week.events       of all cells; noise.mean.first_day.events is the mean over all
"""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from streamrnn.messages import Batch
from tests.benchmarks import made
from tests.benchmarks.command import finish, reader

STREAMS = 200
SHIFT = 12.0
AFTER = 500  # observations behind the shift
CALL = 50  # observations of every stream in a call
INTERVALS = {"minute": 60.0, "ten_minutes": 600.0}  # one alert a week: in 10,080 observations, in 1,008
GOALS = {
    "noise.minute.ratio": "1 / 1.5 .. 1.5",
    "noise.ten_minutes.ratio": "1 / 1.5 .. 1.5",
    "noise.shift.told": "1",
    "noise.continuous.later.ratio": ".8 .. 1.25",
    "noise.least.later.ratio": ">= .67",
    "noise.worst.later.ratio": "<= 1.5",
    "noise.worst.first_week.events": "<= 2",
    "noise.mean.first_day.events": "<= .5",
}
ENOUGH = 100.0  # events asked for, from which on the ratio of a cell counts


class Cell(NamedTuple):
    """So many streams of so many weeks, a value every `interval` seconds."""

    interval: float
    streams: int
    weeks: int


CELLS = {
    "15s": Cell(15.0, 20, 3),
    "1min": Cell(60.0, 50, 4),
    "10min": Cell(600.0, 200, 8),
    "1h": Cell(3600.0, 200, 8),
}


class Found(NamedTuple):
    """What came of one kind in one cell: events of a stream in the first day and week; later, and as asked for."""

    cell: str
    kind: str
    day: float
    week: float
    later: float
    asked: float

    @property
    def ratio(self) -> float:
        return self.later / self.asked


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


def ordinary(job: tuple[str, str, Any, int]) -> Found:
    """One kind in one cell: (cell, kind, preset, seed)."""
    name, kind, preset, seed = job
    cell, anomaly = CELLS[name], spec.Anomaly()
    day, week = int(made.DAY / cell.interval), int(made.WEEK / cell.interval)
    values, moved = made.ordinary(kind, cell.interval, week * cell.weeks, cell.streams, seed)
    engine = Engine(spec.Model(features=("x",), preset=preset, seed=seed), cell.streams)
    opened = made.run(engine, [f"{kind}-{number}" for number in range(cell.streams)], values, cell.interval).opened
    for back in range(anomaly.holdoff + 1):
        opened[back:] &= ~moved[: len(moved) - back]
    asked = min(anomaly.alerts_per_week * cell.interval / made.WEEK, 1.0 / 1000.0) * opened[week:].size
    first, early = (float(opened[:rows].sum(axis=0).mean()) for rows in (day, week))
    return Found(name, kind, first, early, float(opened[week:].sum()), asked)


def overall(found: list[Found]) -> list[Figure]:
    """The figures over all cells."""
    continuous = [one for one in found if made.KINDS[one.kind].continuous]
    firm = [one for one in found if one.asked >= ENOUGH]
    together = sum(one.later for one in continuous) / max(sum(one.asked for one in continuous), 1e-9)
    least = min((one.ratio for one in firm if one in continuous), default=float("nan"))
    return [
        figure("noise.continuous.later.ratio", together, "1"),
        figure("noise.least.later.ratio", least, "1"),
        figure("noise.worst.later.ratio", max((one.ratio for one in firm), default=float("nan")), "1"),
        figure("noise.worst.first_week.events", max(one.week for one in found), "1"),
        figure("noise.mean.first_day.events", float(np.mean([one.day for one in found])), "1"),
    ]


def cells(names: list[str], kinds: list[str], preset: Any, seed: int) -> list[Figure]:
    """All kinds in all cells, two at a time where there are two processors."""
    jobs = [(name, kind, preset, seed) for name in names for kind in kinds]
    jobs.sort(key=lambda job: -CELLS[job[0]].streams * CELLS[job[0]].weeks / CELLS[job[0]].interval)
    workers = ProcessPoolExecutor(min(os.cpu_count() or 1, 2), multiprocessing.get_context("spawn"))
    with workers:
        found = list(workers.map(ordinary, jobs))
    found.sort(key=lambda one: (names.index(one.cell), kinds.index(one.kind)))
    rows = []
    for one in found:
        rows.append(figure(f"noise.{one.cell}.{one.kind}.first_day.events", one.day, "1"))
        rows.append(figure(f"noise.{one.cell}.{one.kind}.first_week.events", one.week, "1"))
        rows.append(figure(f"noise.{one.cell}.{one.kind}.later.ratio", one.ratio, f"of {one.asked:.0f}"))
    return rows + overall(found)


def main() -> None:
    options = reader(__doc__, steps=20_000)
    options.add_argument("--preset", default="standard", choices=("light", "standard", "full"))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--cells", nargs="*", choices=tuple(CELLS), default=tuple(CELLS), help="which intervals")
    options.add_argument("--kinds", nargs="*", choices=tuple(made.KINDS), default=tuple(made.KINDS), help="which data")
    given = options.parse_args()
    rows = measure(given.preset, given.steps, given.seed) if given.steps else []
    if given.cells and given.kinds:
        rows += cells(list(given.cells), list(given.kinds), given.preset, given.seed)
    finish(f"Noise, preset {given.preset}", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
