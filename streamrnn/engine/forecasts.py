"""Tasks "forecast" and "label" for the engine: the compiled step, the outcomes' room, how good the forecasts are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.engine.bank import Bank
from streamrnn.kernels.core import arrays
from streamrnn.kernels.core.layout import Drift, Stats, Target
from streamrnn.kernels.core.outcomes import ForecastInt, ForecastReal
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.step import challenger, loop
from streamrnn.messages import WARMING, Batch, Floats, Health, Ints, Outcomes
from streamrnn.model.plan import Plan


def scratch(plan: Plan, dtype: str) -> arrays.Scratch:
    """Room to work in, for one thread."""
    f32, f64 = plan.scratch
    return arrays.Scratch(np.zeros(f32.width, dtype), np.zeros(f64.width))


def ident(batch: Batch) -> Ints:
    """(n) what tells observations apart: the digest of their ids."""
    return batch.ident


def room(plan: Plan, n: int) -> Outcomes:
    """Outcomes for n observations, to be filled."""
    sizes = plan.sizes
    targets, horizons = len(sizes.targets), len(sizes.horizons)
    drifts = Drift.PUBLISHED if sizes.model.drift else 0
    width = ForecastReal.FORECAST + targets * (3 * (horizons + 1) + len(sizes.titles)) + drifts
    ints = np.empty((n, ForecastInt.LEADS + horizons), np.int64)
    return Outcomes(ints, np.empty((n, width)), targets, horizons, drifts)


def run(bank: Bank, places: tuple[Ints, Any], order: Ints, columns: arrays.Batch, told: Outcomes, stamp: int) -> None:
    """Observe the observations in `order`, in one compiled call; a model with a challenger has a call of its own."""
    if bank.challenger is None:
        loop.run(*places, order, columns, bank.changed, stamp, told.ints, told.reals)
    else:
        challenger.run(*places, order, columns, bank.changed, stamp, told.ints, told.reals, *bank.challenger)


def due(model: spec.Model, outcomes: Outcomes) -> Floats:
    """Seconds (n) after each observation in which another should come; infinite where none is due."""
    awaited = (outcomes.bits & WARMING == 0) & (outcomes.interval > 0.0) & (model.silence > 0.0)
    return np.where(awaited, model.silence * outcomes.interval, np.inf)


def health(plan: Plan, bank: Bank) -> Health:
    """How good the forecasts are now, over all streams."""
    p, n = plan.table.ints, len(bank.names)
    targets, horizons = len(plan.sizes.targets), len(plan.sizes.horizons)
    plane = bank.planes.f64.reshape(bank.capacity, -1)[:n]
    start = int(p[Program.STATS])
    stats = plane[:, start : start + targets * horizons * Stats.WIDTH]
    stats = stats.reshape(n, targets, horizons, Stats.WIDTH).copy()
    stats[stats[..., Stats.COUNT] == 0] = np.nan
    start = int(p[Program.TARGET])
    target = plane[:, start : start + targets * Target.WIDTH].reshape(n, targets, Target.WIDTH)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(target[..., Target.VARIANCE])[..., None]
        relative = {name: stats[..., name] / sd for name in (Stats.ERROR, Stats.BREADTH, Stats.WINKLER)}
        last = 1.0 - stats[..., Stats.ERROR] / stats[..., Stats.ERROR_LAST]
        seasonal = 1.0 - stats[..., Stats.ERROR] / stats[..., Stats.ERROR_SEASONAL]
    return Health(
        steps=plan.sizes.horizons,
        level=plan.sizes.conformal.level,
        error=_median(relative[Stats.ERROR]),
        skill_persistence=_median(last),
        skill_seasonal=_median(seasonal),
        below_persistence=_share_below_zero(last),
        coverage=_median(stats[..., Stats.COVERED]),
        width=_median(relative[Stats.BREADTH]),
        winkler=_median(relative[Stats.WINKLER]),
    )


def _median(values: Floats) -> Floats:
    """Median over streams and targets (N, T, K) -> (K); NaN where nothing is known."""
    return np.array([_finite_median(values[..., k]) for k in range(values.shape[-1])])


def _finite_median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _share_below_zero(values: Floats) -> Floats:
    """Share of streams below 0 per horizon, of those where it is known."""
    shares = []
    for k in range(values.shape[-1]):
        known = values[..., k][np.isfinite(values[..., k])]
        shares.append(float(np.mean(known < 0)) if len(known) else float("nan"))
    return np.array(shares)
