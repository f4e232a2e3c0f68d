"""The tables of parts: a new expert, head or optimiser is a few functions and one entry here; a layer in layers.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

from streamrnn import spec
from streamrnn.kernels.drift import adwin, page_hinkley, reactions
from streamrnn.kernels.experts import linear, naive, smooth
from streamrnn.kernels.heads import binary, gaussian, quantile, student
from streamrnn.kernels.learning import optimisers
from streamrnn.kernels.monitors import kinds
from streamrnn.model.history import Past
from streamrnn.model.layers import LAYERS
from streamrnn.model.layout import plain

__all__ = ["DETECTORS", "EXPERTS", "HEADS", "LAYERS", "MONITORS", "OPTIMISERS", "REACTIONS"]

Labels = dict[str, int]


Piece = tuple[str, list[dict[str, int]]]  # of a state: its name beside the part's identity, and its nested axes


class Expert(NamedTuple):
    """An expert kind: its parts, what is its own in the shape and in the reals, its state in numbers, its prior weight.

    `shape` and `state` also take the history that the experts of a target share. `state` lists what the state consists
    of, in order, each piece with its nested axes: `horizons` is the axis of the horizons, whose numbers are then kept
    one by one when the configured horizons change; `layout.plain(n)` is n numbers. A piece's name says what its numbers
    rest on beside the settings that the part's identity names.
    """

    settle: Any
    forecast: Any
    shape: Callable[[Any, Past], tuple[int, int]]
    reals: Callable[[Any], tuple[float, float]]
    state: Callable[[Any, Past, Labels], list[Piece]]
    prior: float
    coarse: float = 0.02  # the same where values come so far apart that a day has no profile
    hasten: Any = None  # for those that remember long: what a drift changes


class Monitor(NamedTuple):
    """A monitor kind: its parts, and its own state in numbers for a monitor of that spec."""

    deviate: Any
    adopt: Any
    state: Callable[[Any], int]
    units: bool = True  # its errors are in those of the target


class Detector(NamedTuple):
    """A drift detector kind: its part, its state in numbers, the reals of its own that the part reads."""

    update: Any
    state: int
    reals: Callable[[Any], tuple[float, float, float]]


class Optimiser(NamedTuple):
    """An optimiser kind: its part, its state in numbers per parameter, the reals of its own that the part reads."""

    update: Any
    state: int
    reals: Callable[[Any], tuple[float, ...]]


class Head(NamedTuple):
    """A head kind: its parts, its outputs per target and horizon, its own reals, whether it sees the target itself.

    `innovate`: for those that the filter (`ekf`) can train.
    """

    grad: Any
    read: Any
    width: Callable[[Any], int]
    reals: Callable[[Any], tuple[float, ...]]
    absolute: bool
    innovate: Any = None


def _none(expert: Any, past: Past) -> tuple[int, int]:
    return 0, 0


def _season(expert: Any, past: Past) -> tuple[int, int]:
    return expert.season - 1, 0


def _unset(expert: Any) -> tuple[float, float]:
    return 0.0, 0.0


def _stateless(expert: Any, past: Past, horizons: Labels) -> list[Piece]:
    return []


def _profile(expert: Any, past: Past, horizons: Labels) -> list[Piece]:
    return [("spread", [horizons]), ("changes", [plain(expert.bins), horizons, plain(2)])]


def _linear(expert: Any, past: Past, horizons: Labels) -> list[Piece]:
    """P by blocks of four rows with its waiting correction, then what every horizon and every kept row has."""
    n, seen = past.prefix[expert.inputs], past.seen(expert.inputs)
    blocks = n // 4
    return [
        (f"P {seen}", [plain(4 * (n * blocks - 2 * blocks * (blocks - 1)) + n)]),
        (f"usual error {seen}", [horizons]),
        (f"weights {seen}", [horizons, plain(n)]),
        (f"gains {seen}", [plain(past.rows), plain(n)]),
    ]


EXPERTS: dict[type[Any], Expert] = {
    spec.Last: Expert(naive.ignore, naive.forecast_last, _none, _unset, _stateless, 1.0, 0.3),
    spec.Seasonal: Expert(naive.ignore, naive.forecast_seasonal, _season, _unset, _stateless, 0.02, 0.3),
    spec.Change: Expert(naive.ignore, naive.forecast_change, _season, _unset, _stateless, 0.02),
    spec.Level: Expert(naive.ignore, naive.forecast_level, _season, _unset, _stateless, 0.02),
    spec.Profile: Expert(
        naive.settle_profile,
        naive.forecast_profile,
        lambda it, past: (it.bins, 0),
        lambda it: (it.period, 0.0),
        _profile,
        1.0,
    ),
    spec.Smooth: Expert(
        naive.ignore,
        smooth.forecast,
        lambda it, past: (it.steps, 0),
        _unset,
        lambda it, past, horizons: [("models", [plain(smooth.length(it.steps))])],
        0.02,
        1.0,
    ),
    spec.Linear: Expert(
        linear.settle,
        linear.forecast,
        lambda it, past: (past.prefix[it.inputs], int(it.root)),
        lambda it: (it.forget, 3.0 if it.root else 0.0),
        _linear,
        0.02,
        0.1,
        hasten=linear.hasten,
    ),
    spec.Echo: Expert(
        linear.settle,
        linear.forecast,
        lambda it, past: (past.prefix[it.inputs], int(it.root)),
        lambda it: (it.forget, 6.0 if it.root else 0.0),
        _linear,
        0.02,
        0.1,
        hasten=linear.hasten,
    ),
}

MONITORS: dict[type[Any], Monitor] = {
    spec.Residual: Monitor(kinds.deviate_residual, kinds.adopt_nothing, lambda it: 0),
    spec.Mean: Monitor(kinds.deviate_mean, kinds.adopt_mean, lambda it: 2),
    spec.Hours: Monitor(kinds.deviate_hours, kinds.adopt_hours, lambda it: 2 + 2 * it.bins),
    spec.Flat: Monitor(kinds.deviate_flat, kinds.adopt_nothing, lambda it: 2, units=False),
}

DETECTORS: dict[type[Any], Detector] = {
    spec.Adwin: Detector(adwin.update, adwin.LENGTH, lambda it: (it.delta, 0.0, 0.0)),
    spec.PageHinkley: Detector(page_hinkley.update, page_hinkley.LENGTH, lambda it: (it.delta, it.threshold, it.alpha)),
}

REACTIONS: dict[str, Any] = {
    "rate": reactions.rate,
    "scaler": reactions.scaler,
    "forget": reactions.forget,
}  # and "challenger", which is the step itself: see kernels/step/challenger.py

# and spec.Ekf, which takes labels one by one and outputs' gradients, not their sum: see kernels/learning/ekf_learn.py
OPTIMISERS: dict[type[Any], Optimiser] = {
    spec.Adam: Optimiser(optimisers.adam, 2, lambda it: (it.beta1, it.beta2, it.decay)),
    spec.RmsProp: Optimiser(optimisers.rmsprop, 1, lambda it: (it.decay,)),
    spec.Sgd: Optimiser(optimisers.sgd, 1, lambda it: (it.momentum,)),
    spec.Obgd: Optimiser(optimisers.obgd, 0, lambda it: (it.kappa,)),
}

HEADS: dict[type[Any], Head] = {
    spec.Gaussian: Head(gaussian.grad, gaussian.read, lambda it: 2, lambda it: (), False, gaussian.innovate),
    spec.Student: Head(student.grad, student.read, lambda it: 2, lambda it: (it.dof,), False, student.innovate),
    spec.Quantile: Head(quantile.grad, quantile.read, lambda it: len(it.levels), lambda it: it.levels, False),
    spec.Binary: Head(binary.grad, binary.read, lambda it: 1, lambda it: (), True, binary.innovate),
}
