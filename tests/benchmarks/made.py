"""Streams that are made for the benchmarks of alarms: ordinary data of many kinds in which nothing happens, and a run
of the engine over many streams at once."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import messages as m
from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch

Floats = NDArray[np.float64]
Random = np.random.Generator
DAY, WEEK = 86_400.0, 604_800.0
START = 1_756_684_800.0  # a Monday, 00:00 UTC
CALL = 50  # observations of every stream in a call
MEMORY = 0.9  # of the autoregressive noise


class Kind(NamedTuple):
    """One kind of data: is it continuous, and how it is made from (random, seconds since START (n, 1), streams)."""

    continuous: bool
    make: Callable[[Random, Floats, int], Any]


def autoregressive(random: Random, size: tuple[int, int], memory: float = MEMORY) -> Floats:
    """First-order autoregressive noise (n, streams) with Gaussian innovations of deviation 1."""
    found = random.normal(size=size)
    for i in range(1, len(found)):
        found[i] += memory * found[i - 1]
    return found


def curve(random: Random, time: Floats, streams: int) -> Floats:
    """A sine with the period of a day (n, streams), each stream at a phase of its own."""
    return np.sin(2.0 * np.pi * (time + random.uniform(0.0, DAY, streams)) / DAY)


def rare(random: Random, time: Floats, streams: int, days: float) -> NDArray[np.bool_]:
    """Rows (n, streams) that are drawn, on average one in so many days."""
    interval = float(time[1, 0] - time[0, 0])
    return random.random((len(time), streams)) < min(1.0, interval / (days * DAY))


def _daily(random: Random, time: Floats, streams: int) -> Floats:
    size = (len(time), streams)
    return 100.0 + 30.0 * curve(random, time, streams) + 2.0 * autoregressive(random, size) + random.normal(size=size)


def _weekly(random: Random, time: Floats, streams: int) -> Floats:
    size, busy = (len(time), streams), np.where((time // DAY) % 7 < 5, 1.0, 0.4)
    level = busy * (20.0 + 30.0 * curve(random, time, streams))
    return 100.0 + level + 2.0 * autoregressive(random, size) + random.normal(size=size)


def _counts(random: Random, time: Floats, streams: int) -> Floats:
    return random.poisson(np.exp(1.0 + 0.7 * curve(random, time, streams))).astype(float)


def _quantised(random: Random, time: Floats, streams: int) -> Floats:
    return np.round(20.0 + 0.6 * autoregressive(random, (len(time), streams)))


def _binary(random: Random, time: Floats, streams: int) -> Floats:
    return (random.random((len(time), streams)) < 0.1).astype(float)


def _steps(random: Random, time: Floats, streams: int) -> tuple[Floats, NDArray[np.bool_]]:
    made = rare(random, time, streams, 2.0)
    return 50.0 + np.cumsum(np.where(made, 10.0 * random.normal(size=made.shape), 0.0), axis=0), made


def _counter(random: Random, time: Floats, streams: int) -> tuple[Floats, NDArray[np.bool_]]:
    total = np.cumsum(random.poisson(3.0 + 2.0 * curve(random, time, streams)).astype(float), axis=0)
    made = rare(random, time, streams, 3.0)
    return total - np.maximum.accumulate(np.where(made, total, 0.0), axis=0), made


KINDS: dict[str, Kind] = {
    "gaussian": Kind(True, lambda random, time, streams: random.normal(size=(len(time), streams))),
    "uniform": Kind(True, lambda random, time, streams: random.uniform(-1.0, 1.0, (len(time), streams))),
    "laplace": Kind(True, lambda random, time, streams: random.laplace(size=(len(time), streams))),
    "student3": Kind(True, lambda random, time, streams: random.standard_t(3, (len(time), streams))),
    "student2": Kind(True, lambda random, time, streams: random.standard_t(2, (len(time), streams))),
    "autoregressive": Kind(True, lambda random, time, streams: autoregressive(random, (len(time), streams))),
    "daily": Kind(True, _daily),
    "weekly": Kind(True, _weekly),
    "walk": Kind(True, lambda random, time, streams: np.cumsum(random.normal(size=(len(time), streams)), axis=0)),
    "counts": Kind(False, _counts),
    "quantised": Kind(False, _quantised),
    "binary": Kind(False, _binary),
    "steps": Kind(False, _steps),
    "counter": Kind(False, _counter),
}


def ordinary(kind: str, interval: float, steps: int, streams: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Values (steps, streams) of a kind, and where a step or a reset was made."""
    random = np.random.default_rng([seed, zlib.crc32(kind.encode()), int(interval)])
    time = interval * np.arange(steps, dtype=np.float64)[:, None]
    found = KINDS[kind].make(random, time, streams)
    return found if isinstance(found, tuple) else (found, np.zeros(found.shape, np.bool_))


class Run(NamedTuple):
    """What the engine said of many streams, (steps, streams) each."""

    bits: Any
    score: Any

    @property
    def opened(self) -> Any:
        return (self.bits & m.OPENED) != 0


def run(engine: Engine, names: Sequence[str], values: Any, interval: float) -> Run:
    """One pass of the engine over values (steps, streams) or (steps, streams, features) from START on."""
    streams, rows, bits, scores = values.shape[1], engine.admit(names), [], []
    for start in range(0, len(values), CALL):
        part = values[start : start + CALL]
        n = len(part) * streams
        none, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
        times = np.repeat(START + interval * np.arange(start, start + len(part)), streams)
        flat = np.ascontiguousarray(part.reshape(n, -1))
        batch = Batch(list(names) * len(part), ones, [False] * n, times, flat, np.full(n, np.nan), none, none - 1, none)
        outcomes = engine.step(batch, np.tile(rows, len(part)))
        bits.append(outcomes.bits.reshape(-1, streams))
        scores.append(outcomes.score.reshape(-1, streams))
    return Run(np.concatenate(bits), np.concatenate(scores))
