"""The members of the mix, watched while a preset runs over a series: what the parts of a preset are worth."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Count, Pending
from streamrnn.kernels.core.program import Program
from streamrnn.messages import OPENED
from streamrnn.model.presets import PRESETS
from tests.benchmarks import series
from tests.engine.feed import batch, part

SETTLED = 200  # answers after which the mix is held against its best expert
STILL = 1e-30  # a rate at which no weight moves: the network and its gate stay what they are at first, nothing


class Watched(NamedTuple):
    """What was told of a series of n rows at K horizons, every row before the answers to it."""

    yhat: series.Array  # (n, K)
    lower: series.Array
    upper: series.Array
    experts: series.Array  # (n, K, E) of each member of the first round
    names: tuple[str, ...]  # (E)
    events: int
    us: float


def model(preset: str, steps: Sequence[int], without: Sequence[str] = (), seed: int = 1, **more: Any) -> spec.Model:
    """A preset as it is shipped, but for what stands in `without`: "network", "gate", or a kind of expert."""
    made = spec.Model(**{"features": ("value",), "horizons": tuple(steps), "preset": preset, "seed": seed, **more})
    if "network" in without:
        made = replace(made, optimiser=spec.Adam(rate=STILL))
    if "gate" in without:
        made = replace(made, gate=False)
    experts = tuple(each for each in PRESETS[preset]["experts"] if each.__struct_config__.tag not in without)
    return replace(made, experts=experts) if len(experts) < len(PRESETS[preset]["experts"]) else made


def watch(asked: spec.Model, times: series.Array, values: series.Array, name: str = "series") -> Watched:
    """One pass; values (n) or (n, F), of which the first target's forecasts are told.

    The experts' forecasts are read from the stream's row after every observation; time is measured in a second pass.
    """
    engine = Engine(asked, 1)
    messages, rows, hs = (
        batch([name] * len(values), values, time=times),
        engine.admit([name]),
        np.array(engine.horizons),
    )
    p, slots, width = (
        engine._plan.table.ints,
        engine._plan.table.slots,
        int(engine._plan.table.ints[Program.SLOT_WIDTH]),
    )
    n, start, targets = int(p[Program.EXPERTS]), int(p[Program.PENDING]), int(p[Program.TARGETS])
    pending = engine._bank.planes.f64[start : start + int(p[Program.SLOTS]) * targets * width].reshape(
        -1, targets, width
    )
    counts = engine._bank.planes.i64[int(p[Program.BASE_I64]) :]
    told, experts, events = np.empty((len(values), len(hs), 3)), np.empty((len(values), len(hs), n)), 0
    for t in range(len(values)):
        outcome = engine.step(part(messages, t, t + 1), rows)
        told[t] = outcome.forecast[0, 0]
        experts[t] = pending[slots + counts[Count.STEP] % hs, 0, Pending.FORECASTS : Pending.FORECASTS + n]
        events += int(outcome.bits[0] & OPENED != 0)
    again = Engine(asked, 1)
    begun = time.perf_counter()
    for first in range(0, len(values), series.CHUNK):
        some = part(messages, first, min(first + series.CHUNK, len(values)))
        again.step(some, again.admit(some.names))
    us = 1e6 * (time.perf_counter() - begun) / len(values)
    return Watched(told[..., 0], told[..., 1], told[..., 2], experts, engine.experts[:-1], events, us)


def over_best(told: Watched, values: series.Array, steps: Sequence[int], root: bool = False) -> series.Array:
    """Error of the mixed forecast over that of the best single expert (K), both after SETTLED answers; NaN without any.

    The mean absolute error, or the root mean square error.
    """
    found = np.full(len(steps), np.nan)
    for k, h in enumerate(steps):
        rows = np.flatnonzero(np.isfinite(told.yhat[: len(values) - h, k]) & np.isfinite(values[h:]))[SETTLED:]
        if len(rows) == 0:
            continue
        mixed, each = told.yhat[rows, k] - values[rows + h], told.experts[rows, k] - values[rows + h, None]
        if root:
            found[k] = np.sqrt(np.mean(mixed**2)) / np.sqrt(np.mean(each**2, axis=0)).min()
        else:
            found[k] = np.mean(np.abs(mixed)) / max(float(np.mean(np.abs(each), axis=0).min()), 1e-12)
    return found
