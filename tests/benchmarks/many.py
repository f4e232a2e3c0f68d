"""Many true anomalies: does a stream that has them often still hear of them? (no recorded data)

Made streams of a level with noise, a daily curve with noise and a random walk, a value every five minutes for five
weeks; 20 anomalies of one kind each, from the second week on, none within half a day of another:

    spike   one value          dip     the same downwards
    shock   an hour            shift   a level that is another one for half a day, then returns
    trend   a level that grows for half a day, then returns

Sizes are in deviations of the noise about the curve (of the innovations of a walk), 4 to 12. Told is an anomaly in
whose time an event opens, or within six values behind it; false is an event that opens elsewhere, later than the
hold-off behind an anomaly. The same streams without any are run beside it; the measure of both is the rate asked for.

    many.told           spikes, dips, shocks and shifts above four deviations told, share
    many.BASE.KIND.told, .false.ratio   of each; .false.ratio is false events over those asked for
    many.false.ratio    of all; many.quiet.ratio the same of the streams without anomalies
"""

from typing import Any, NamedTuple

import numpy as np

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks import made
from tests.benchmarks.command import finish, reader

INTERVAL = 300.0
DAY, WEEKS, ANOMALIES = 288, 5, 20
HALF = DAY // 2
LENGTHS = {"spike": 1, "dip": 1, "shock": 12, "shift": HALF, "trend": HALF}
ONCE = ("spike", "dip", "shock", "shift")
BASES = ("level", "daily", "walk")
AFTER = 6  # values behind an anomaly in which it may still be told
GOALS = {"many.told": ">= .8", "many.false.ratio": "<= 1.5"}


class Truth(NamedTuple):
    """Anomalies of one stream: first row, number of rows, deviations."""

    start: np.ndarray
    length: int
    size: np.ndarray


def base(name: str, streams: int, random: np.random.Generator) -> tuple[Any, float]:
    """Ordinary values (n, streams) and the deviation in which anomalies are counted."""
    n = 7 * DAY * WEEKS
    size, time = (n, streams), INTERVAL * np.arange(n, dtype=np.float64)[:, None]
    noise = random.normal(size=size)
    if name == "level":
        return 100.0 + 2.0 * noise, 2.0
    if name == "daily":
        return 100.0 + 30.0 * made.curve(random, time, streams) + 2.0 * noise, 2.0
    return np.cumsum(noise, axis=0), 1.0


def truth(kind: str, random: np.random.Generator) -> Truth:
    """Where the anomalies of a stream stand."""
    room = 7 * DAY * (WEEKS - 1) // ANOMALIES
    start = 7 * DAY + room * np.arange(ANOMALIES) + random.integers(0, room - 2 * HALF, ANOMALIES)
    return Truth(start, LENGTHS[kind], random.uniform(4.0, 12.0, ANOMALIES))


def spoil(values: Any, kind: str, unit: float, one: Truth, random: np.random.Generator) -> None:
    """Put the anomalies into a stream (n) where it stands."""
    for start, size in zip(one.start, one.size, strict=True):
        sign = {"spike": 1.0, "dip": -1.0}.get(kind, random.choice([-1.0, 1.0]))
        shape = np.linspace(0.0, 1.0, one.length) if kind == "trend" else np.ones(one.length)
        values[start : start + one.length] += sign * size * unit * shape


def count(opened: Any, one: Truth, holdoff: int) -> tuple[Any, int]:
    """Which anomalies of a stream are told, and how many other events open from the second week on."""
    told, near = np.zeros(ANOMALIES, np.bool_), np.zeros(len(opened), np.bool_)
    near[: 7 * DAY] = True
    for number, start in enumerate(one.start):
        end = start + one.length
        told[number] = opened[start : end + AFTER].any()
        near[start : end + holdoff] = True
    return told, int((opened & ~near).sum())


def measure(streams: int, seed: int, preset: Any) -> list[Figure]:
    """All figures of one seed."""
    anomaly, rows = spec.Anomaly(), []
    asked = min(anomaly.alerts_per_week * INTERVAL / made.WEEK, 1.0 / 1000.0) * 7 * DAY * (WEEKS - 1) * streams
    right, falses, quiets = [], [], []
    for name in BASES:
        clean, unit = base(name, streams, np.random.default_rng([seed, BASES.index(name)]))
        opened = _opened(clean, f"{name}-quiet", preset)
        quiets.append(opened[7 * DAY :].sum() / asked)
        rows.append(figure(f"many.{name}.quiet.ratio", quiets[-1], "1"))
        for kind in LENGTHS:
            random = np.random.default_rng([seed, BASES.index(name), list(LENGTHS).index(kind)])
            values, truths = clean.copy(), [truth(kind, random) for _ in range(streams)]
            for stream, one in enumerate(truths):
                spoil(values[:, stream], kind, unit, one, random)
            opened = _opened(values, f"{name}-{kind}", preset)
            counts = [count(opened[:, i], one, anomaly.holdoff) for i, one in enumerate(truths)]
            told = np.concatenate([found for found, _ in counts])
            falses.append(sum(wrong for _, wrong in counts) / asked)
            rows.append(figure(f"many.{name}.{kind}.told", float(told.mean()), "1"))
            rows.append(figure(f"many.{name}.{kind}.false.ratio", falses[-1], "1"))
            right += [told] if kind in ONCE else []
    return [
        *rows,
        figure("many.told", float(np.concatenate(right).mean()), "1"),
        figure("many.false.ratio", float(np.mean(falses)), "1"),
        figure("many.quiet.ratio", float(np.mean(quiets)), "1"),
    ]


def _opened(values: Any, name: str, preset: Any) -> Any:
    streams = values.shape[1]
    engine = Engine(spec.Model(features=("x",), preset=preset), streams)
    return made.run(engine, [f"{name}-{i}" for i in range(streams)], values, INTERVAL).opened


def main() -> None:
    options = reader(__doc__, seeds=1)
    options.add_argument("--streams", type=int, default=10, help="of each base and kind (default 10)")
    options.add_argument("--preset", default="standard", choices=("light", "standard", "full"))
    given = options.parse_args()
    each = [measure(given.streams, seed, given.preset) for seed in range(1, given.seeds + 1)]
    rows = [
        figure(row[0].name, float(np.mean([one.value for one in row])), row[0].unit) for row in zip(*each, strict=True)
    ]
    finish("Many anomalies", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
