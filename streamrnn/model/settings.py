"""The settings of a model as the numbers that its kernels read."""

import statistics

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.program import Program, Reals, Steps
from streamrnn.kernels.learning import learning_rate
from streamrnn.model import covariances, covariates
from streamrnn.model.parts import EXPERTS, HEADS, OPTIMISERS
from streamrnn.model.sizes import Sizes, corrects

STEPS = {"auto": Steps.AUTO, "observations": Steps.OBSERVATIONS, "time": Steps.TIME}
SCHEDULES = {"constant": learning_rate.CONSTANT, "sqrt": learning_rate.SQRT, "plateau": learning_rate.PLATEAU}


def write_numbers(sizes: Sizes, ints: NDArray[np.int64]) -> None:
    """The sizes and settings that are plain numbers."""
    seasonal = [number for number, expert in enumerate(sizes.experts) if isinstance(expert, spec.Seasonal)]
    values = {
        Program.FEATURES: len(sizes.model.features),
        Program.TARGETS: len(sizes.targets),
        Program.HORIZONS: len(sizes.horizons),
        Program.EXPERTS: len(sizes.experts),
        Program.INPUTS: sizes.inputs,
        Program.LAYERS: len(sizes.layers),
        Program.OUTPUTS: sizes.outputs,
        Program.GATE: sizes.gate,
        Program.SCHEDULE: SCHEDULES[getattr(sizes.optimiser, "schedule", "constant")],
        Program.EKF: int(sizes.filtered),
        Program.OWN_INPUTS: sizes.own_inputs,
        Program.SEES: sum(covariances.SEES[name] for name in set(sizes.sees)),
        Program.CORRECTS: covariances.CORRECTS[corrects(sizes)],
        Program.LOGITS: sizes.outputs - len(sizes.targets) * len(sizes.experts),
        Program.LAST_ROUND: sizes.last_round,
        Program.HEAD_WIDTH: HEADS[type(sizes.model.head)].width(sizes.model.head),
        Program.HEAD_ABSOLUTE: int(HEADS[type(sizes.model.head)].absolute),
        Program.ROWS: sizes.rows,
        Program.KEPT: sizes.kept,
        Program.WINDOW: getattr(sizes.rule, "window", 1),
        Program.STRIDE: sizes.rule.stride,
        Program.RECOMPUTE: int(sizes.recompute),
        Program.DELAY: sizes.delay,
        Program.LABEL_TASK: int(sizes.labelled),
        Program.LABEL_RING: sizes.model.label_memory,
        Program.SEASONAL: seasonal[0] if seasonal else -1,
        Program.POOLED: int(sizes.model.weights == "pooled"),
        Program.WARMUP: sizes.anomaly.warmup,
        Program.QUIET: sizes.anomaly.quiet,
        Program.HOLDOFF: sizes.anomaly.holdoff,
        Program.COMING: len(sizes.coming),
        Program.STEPS: STEPS[sizes.model.steps],
        **covariates.places(sizes.model, sizes.targets, len(sizes.coming) * len(sizes.horizons)),
    }
    for place, value in values.items():
        ints[place] = value


def priors(sizes: Sizes) -> NDArray[np.float64]:
    """Logarithms of the prior weights of both rounds of the mix, then the first round's for values far apart.

    The weights of each sum to 1.
    """
    last = [0.9, 0.05, 0.05] if sizes.gate else [0.5, 0.5]
    fine = np.array([EXPERTS[type(expert)].prior for expert in sizes.experts])
    coarse = np.array([EXPERTS[type(expert)].coarse for expert in sizes.experts])
    return np.asarray(np.log(np.concatenate([fine / fine.sum(), last, coarse / coarse.sum()])), np.float64)


def targets(sizes: Sizes) -> NDArray[np.int64]:
    if sizes.labelled:
        return np.array([-1], np.int64)
    return np.array([sizes.model.features.index(target) for target in sizes.targets], np.int64)


def rates(sizes: Sizes) -> NDArray[np.float64]:
    """Rates and levels."""
    optimiser, level, head = sizes.optimiser, sizes.conformal.level, sizes.model.head
    reals = np.concatenate([np.zeros(Reals.HEAD), HEADS[type(head)].reals(head)])
    reals[Reals.SCALE_RATE], reals[Reals.LEVEL], reals[Reals.ALERTS] = (
        sizes.model.scale_rate,
        level,
        sizes.anomaly.alerts_per_week,
    )
    reals[Reals.CLIP] = optimiser.clip
    if isinstance(optimiser, spec.Ekf):
        own: tuple[float, ...] = (optimiser.weights, optimiser.readout, optimiser.noise)
        reals[Reals.VALUE] = optimiser.threshold
    else:
        own = OPTIMISERS[type(optimiser)].reals(optimiser)
        reals[Reals.RATE], reals[Reals.PERIOD] = optimiser.rate, optimiser.period
        reals[Reals.VALUE], reals[Reals.CAP] = optimiser.clip_value, optimiser.cap or np.inf
    reals[Reals.HALF_LIFE], reals[Reals.SILENCE_AFTER] = sizes.model.half_life, sizes.model.silence
    reals[Reals.SEASONS : Reals.SEASONS + 2] = [*(sizes.model.seasons or ()), 0.0, 0.0][:2]
    reals[Reals.FIRST : Reals.FIRST + len(own)] = own
    normal = statistics.NormalDist().inv_cdf(0.5 + level / 2)
    reals[Reals.START_QUANTILE] = normal / np.sqrt(2 / np.pi)  # in mean absolute errors
    return reals
