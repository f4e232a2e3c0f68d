"""One anomaly in each of fifty made periodic series, kinds as in the UCR archive (no recorded data).

A series is 80 cycles of one of five shapes, 60 values a cycle, with a little noise; the anomaly stands in one cycle
behind the first 40, which are training: another shape, a cycle that is missing, one that is shifted, with small noise,
reversed or slower. Right is a series whose most surprising event behind the training opens in the cycle of the anomaly
or in the one behind it; false is every other event that opens there.

    single.right, single.false     series, events;      single.KIND.right   of each kind, share
"""

from typing import Any

import numpy as np

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import made
from tests.benchmarks.command import finish, reader

SERIES, CYCLES, CYCLE, TRAINING = 50, 80, 60, 40
INTERVAL = 60.0
NOISE = 0.02  # of a shape's range
KINDS = ("shape", "missing", "shift", "noise", "reversed", "slower")
GOALS = {"single.right": "50", "single.false": "0"}


def shape(number: int) -> Any:
    """One cycle (CYCLE) of the shapes, each between about -1 and 1 and none like its own reverse."""
    x = np.arange(CYCLE) / CYCLE
    return (
        np.sin(2.0 * np.pi * x) + 0.5 * np.sin(4.0 * np.pi * x + 1.0),
        2.0 * x - 1.0,
        np.exp(-((x - 0.3) ** 2) / 0.004) - 0.3 * np.exp(-((x - 0.5) ** 2) / 0.01),
        np.where(x < 0.35, 1.0, np.where(x < 0.6, 0.0, -1.0)),
        np.abs(np.sin(2.0 * np.pi * x)) * np.where(x < 0.5, 1.0, -0.4),
    )[number % 5]


def spoil(cycle: Any, kind: str, random: np.random.Generator) -> Any:
    """The cycle (CYCLE) with an anomaly of that kind."""
    if kind == "shape":
        found = cycle.copy()
        found[20:40] = cycle[20:40].mean() - 0.7 * (cycle[20:40] - cycle[20:40].mean()) + 0.3
        return found
    if kind == "missing":
        return np.full(CYCLE, cycle[0])
    if kind == "shift":
        return np.roll(cycle, CYCLE // 5)
    if kind == "noise":
        return cycle + 0.2 * np.ptp(cycle) * random.normal(size=CYCLE) * 0.5
    if kind == "reversed":
        return cycle[::-1].copy()
    return np.interp(np.arange(CYCLE) / 1.5, np.arange(CYCLE), cycle)


def series(number: int, seed: int) -> tuple[Any, str, int]:
    """Values (n) of one series, the kind of its anomaly and the row at which it begins."""
    random = np.random.default_rng([seed, number])
    cycle, kind = shape(number), KINDS[number % len(KINDS)]
    values = np.tile(cycle, CYCLES)
    start = CYCLE * int(random.integers(TRAINING + 5, CYCLES - 5))
    values[start : start + CYCLE] = spoil(cycle, kind, random)
    return values + NOISE * np.ptp(cycle) * random.normal(size=len(values)), kind, start


def measure(seed: int, preset: Any) -> list[Figure]:
    """All figures of one seed."""
    found = [series(number, seed) for number in range(SERIES)]
    engine = Engine(spec.Model(features=("x",), preset=preset), SERIES)
    told = made.run(engine, [f"single-{i}" for i in range(SERIES)], np.stack([one[0] for one in found], 1), INTERVAL)
    right, false = {kind: [] for kind in KINDS}, 0
    for number, (_, kind, start) in enumerate(found):
        rows = np.flatnonzero(told.opened[:, number])
        rows = rows[rows >= TRAINING * CYCLE]
        inside = (rows >= start) & (rows < start + 2 * CYCLE)
        score = told.score[rows, number]
        right[kind].append(bool(len(rows)) and bool(inside[int(np.argmax(score))]))
        false += int((~inside).sum())
    each = [figure(f"single.{kind}.right", float(np.mean(hits)), "1") for kind, hits in right.items()]
    total = sum(sum(hits) for hits in right.values())
    return [*each, figure("single.right", total, f"of {SERIES}"), figure("single.false", false, "events")]


def main() -> None:
    options = reader(__doc__, seeds=1)
    options.add_argument("--preset", default="standard", choices=("light", "standard", "full"))
    given = options.parse_args()
    each = [measure(seed, given.preset) for seed in range(1, given.seeds + 1)]
    rows = [
        figure(row[0].name, float(np.mean([one.value for one in row])), row[0].unit) for row in zip(*each, strict=True)
    ]
    finish("One anomaly in each series", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
