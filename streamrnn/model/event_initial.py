"""The first content of a row of a model of events; as init.py, with which it shares the draws of layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.kernels.core.layout import Calibration, Contexts, Count, EventLatest, EventTail, Session
from streamrnn.kernels.core.program import Layer, Program
from streamrnn.model.event_plan import Plan
from streamrnn.model.initial import generator
from streamrnn.model.parts import LAYERS

Array = NDArray[Any]
START_TAIL = 3.0  # bits, or standard deviations
FIRST_TRUST = 1.5  # sum of the first weights of the mix
FIRST_ESCAPES = 4.0  # occurrences that the first escape probability, one half, counts as


def learned(plan: Plan, name: str, dtype: str) -> tuple[Array, NDArray[np.int64]]:
    """First weights (also the last good ones), empty optimiser, mix and tables; the readout is zero: no opinion yet."""
    sizes, p = plan.sizes, plan.table.ints
    random = generator(sizes.model.seed, name)
    params: list[Array] = []
    for layer, entry in zip(sizes.layers, plan.table.layers, strict=True):
        inputs, units = entry[Layer.SHAPE : Layer.SHAPE + 2].tolist()
        params += LAYERS[type(layer)].first(random, layer, inputs, units)
    flat = np.concatenate([part.ravel() for part in params])
    row = np.zeros(int(p[Program.BASE_F32] or plan.learned.width), dtype)
    for start in (int(p[Program.PARAMS]), int(p[Program.GOOD])):
        row[start : start + len(flat)] = flat
    mixer, members = int(p[Program.MIXER]), sizes.members
    row[mixer : mixer + (sizes.tables + 1) * Contexts.STATES * members] = FIRST_TRUST / members
    escape = row[int(p[Program.ESCAPE]) :][: sizes.tables * Contexts.ESCAPES * 2].reshape(-1, 2)
    escape[:] = FIRST_ESCAPES / 2, FIRST_ESCAPES
    row[int(p[Program.BELIEF]) :][: Contexts.CANDIDATES] = 1.0 / Contexts.CANDIDATES
    row[int(p[Program.CALIBRATION]) :][: Calibration.WIDTH * EventTail.WIDTH].reshape(
        Calibration.WIDTH, EventTail.WIDTH
    )[:, EventTail.START] = START_TAIL
    counts = np.zeros(int(p[Program.BASE_I64] or plan.counts.width), np.int64)
    counts[int(p[Program.KNOWN_SYMBOLS])] = 1  # symbol 0: unseen
    return row, counts


def real(plan: Plan) -> NDArray[np.float64]:
    """The f64 row of a stream that has seen nothing."""
    row, p = np.zeros(plan.f64.width), plan.table.ints
    row[int(p[Program.LATEST]) :][: EventLatest.WIDTH] = np.nan
    row[
        int(p[Program.LATEST])
        + np.array([EventLatest.CAME, EventLatest.RANKED, EventLatest.PREDICTED, EventLatest.PEAK])
    ] = 0
    row[int(p[Program.SESSION]) + np.array([Session.SCORE, Session.TAIL])] = np.nan
    return row


def count(plan: Plan) -> NDArray[np.int64]:
    """The i64 state of a stream that has seen nothing (without the learned part)."""
    p = plan.table.ints
    row = np.zeros(plan.i64.width - int(p[Program.BASE_I64]), np.int64)
    row[Count.SEQ], row[Count.FRESH] = -1, 1
    row[int(p[Program.RECENT]) :][: Contexts.REACH] = -1
    return row


def individual(plan: Plan, name: str, count: NDArray[np.int64]) -> None:
    """Where a stream's count towards the next update begins: spread over the stride when weights are pooled."""
    if plan.pooled:
        count[Count.PHASE] = generator(plan.sizes.model.seed, name).integers(plan.sizes.rule.stride)
