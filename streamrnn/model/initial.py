"""The first content of a row. Random numbers come from (seed, stream) alone."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.kernels.core.layout import Count, ForecastLatest, Joint, Pending, Place, Scale, Stats, Target
from streamrnn.kernels.core.program import Layer, Program, Reals
from streamrnn.kernels.experts import seasons
from streamrnn.model.parts import LAYERS
from streamrnn.model.plan import Plan

Array = NDArray[Any]
FIRST_VARIANCE = 1e-6  # of the aggregation's V and M, which must not start at 0


def generator(seed: int, name: str) -> np.random.Generator:
    """A random generator for one stream."""
    digest = hashlib.blake2b(name.encode(), digest_size=16, salt=seed.to_bytes(16, "little")).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def learned(plan: Plan, name: str, dtype: str) -> tuple[Array, NDArray[np.int64]]:
    """First weights (also the last good ones), empty optimiser, zero counts; the readout is zero: no opinion yet."""
    random = generator(plan.sizes.model.seed, name)
    p = plan.table.ints
    params: list[Array] = []
    for layer, row in zip(plan.sizes.layers, plan.table.layers, strict=True):
        inputs, units = row[Layer.SHAPE : Layer.SHAPE + 2].tolist()
        params += LAYERS[type(layer)].first(random, layer, inputs, units)
    flat = np.concatenate([part.ravel() for part in params])
    row = np.zeros(int(p[Program.BASE_F32] or plan.learned.width), dtype)
    for start in (int(p[Program.PARAMS]), int(p[Program.GOOD])):
        row[start : start + len(flat)] = flat
    return row, np.zeros(int(p[Program.BASE_I64] or plan.counts.width), np.int64)


def real(plan: Plan) -> NDArray[np.float64]:
    """The f64 row of a stream that has seen nothing."""
    sizes, p = plan.sizes, plan.table.ints
    n, k, e = len(sizes.targets), len(sizes.horizons), len(sizes.experts)
    row = np.zeros(plan.f64.width)

    def records(start: int, count: int, width: int) -> NDArray[np.float64]:
        return row[int(start) : int(start) + count * width].reshape(count, width)

    records(p[Program.SCALE], len(sizes.model.features), Scale.WIDTH)[:, Scale.LAST] = np.nan
    records(p[Program.TARGET], n, Target.WIDTH)[:, Target.LAST] = np.nan
    records(p[Program.HISTORY], n, int(p[Program.HISTORY_LENGTH]))[:, seasons.HEAD : seasons.HEAD + sizes.past.ring] = (
        np.nan
    )
    mix = records(p[Program.MIX], n * k, int(p[Program.MIX_WIDTH]))
    for start, first, size in ((0, 0, e), (4 * e, e, sizes.last_round)):
        mix[:, start : start + size] = np.exp(plan.table.priors[first : first + size])
        mix[:, start + 2 * size : start + 4 * size] = FIRST_VARIANCE
    if sizes.joint:
        _independent(row[int(p[Program.JOINT]) :][: int(p[Program.JOINT_LENGTH])], n)
    stats = records(p[Program.STATS], n * k, Stats.WIDTH)
    stats[:, Stats.HIGH] = plan.table.reals[Reals.START_QUANTILE]
    stats[:, Stats.LOW] = -plan.table.reals[Reals.START_QUANTILE]
    records(p[Program.SHARES], n * k, int(p[Program.HOURS_OF_DAY]))[:] = 1.0
    records(p[Program.PENDING], int(p[Program.SLOTS]) * n, int(p[Program.SLOT_WIDTH]))[:, Pending.MIXED] = np.nan
    latest = row[int(p[Program.LATEST]) :]
    latest[[ForecastLatest.SCORE, ForecastLatest.TAIL, ForecastLatest.STARTED]] = np.nan
    latest[ForecastLatest.TARGETS : ForecastLatest.TARGETS + 3 * n] = np.nan
    return row


def _independent(record: NDArray[np.float64], n: int) -> None:
    """What is known of n targets together: nothing, so they are independent, and the factors are the first of them."""
    record[Joint.WIDTH : Joint.WIDTH + n * n : n + 1] = 1.0
    for number, factor in enumerate(record[Joint.WIDTH + n * n :].reshape(-1, 1 + n)):
        factor[[0, 1 + number]] = 1.0


def individual(plan: Plan, name: str, count: NDArray[np.int64]) -> None:
    """What of the counts is a stream's own: where they begin towards the next update, spread over the stride when
    weights are pooled, and its random numbers."""
    random = generator(plan.sizes.model.seed, name)
    if plan.pooled:
        count[Count.PHASE] = random.integers(plan.sizes.rule.stride)
    if plan.table.ints[Program.DRAWN] >= 0:
        count[plan.table.ints[Program.DRAWN]] = random.integers(2**62)


def count(plan: Plan) -> NDArray[np.int64]:
    """The i64 state of a stream that has seen nothing (without the learned part)."""
    p = plan.table.ints
    row = np.zeros(plan.i64.width - int(p[Program.BASE_I64]), np.int64)
    row[Count.SEQ], row[Count.FRESH], row[Count.LOUDEST] = -1, 1, -1
    places = row[int(p[Program.PLACES]) : int(p[Program.PLACES]) + int(p[Program.SLOTS]) * Place.WIDTH]
    places.reshape(-1, Place.WIDTH)[:, [Place.STEP, Place.ROW]] = -1
    return row
