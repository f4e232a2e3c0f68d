"""The presets: parts by which a model runs that names none of its own."""

from typing import Any

from msgspec.structs import replace

from streamrnn import spec
from streamrnn.model.parts import MONITORS

FEW = 4  # targets
MOST = 64  # features of a label's network that the filter trains: a unit's covariance grows with their square
FILTERED: dict[str, tuple[tuple[spec.Layer, ...], spec.Rule]] = {  # by task, where layers and rule are not named;
    "forecast": ((spec.Gru(8),), spec.Tbptt(8, 1)),
    "label": ((spec.Lstm(16),), spec.Tbptt(16, 1)),  # labels may come some rows late
}
PRESETS: dict[str, dict[str, Any]] = {
    "light": {
        "layers": (spec.Gru(16),),
        "experts": (spec.Last(), spec.Profile(), spec.Linear("lags", lags=11, forget=0.999)),
        "rule": spec.Tbptt(16, 16),
        "history": 64,
        "gate": False,
        "monitors": (spec.Residual(), spec.Mean()),
    },
    "standard": {
        "layers": (spec.Gru(32),),
        "experts": (
            spec.Last(),
            spec.Seasonal(),
            spec.Seasonal(2),
            spec.Profile(),
            spec.Smooth(),
            spec.Linear(),
            spec.Echo(),
        ),
        "rule": spec.Tbptt(16, 8),
        "history": 1024,
        "gate": True,
        "monitors": (spec.Residual(), spec.Mean(), spec.Mean(0.01), spec.Hours()),
    },
    "full": {
        "layers": (spec.Gru(16),),
        "experts": (
            spec.Last(),
            spec.Seasonal(1),
            spec.Seasonal(2),
            spec.Change(1),
            spec.Level(2),
            spec.Profile(),
            spec.Smooth(),
            spec.Linear("profile"),
            spec.Linear("calendar", forget=0.9998, root=True),
            spec.Linear("calendar", forget=0.998, root=True),
            spec.Echo(64),
        ),
        "rule": spec.Tbptt(24, 8),
        "history": 2048,
        "gate": True,
        "monitors": (spec.Residual(), spec.Mean(), spec.Mean(0.01), spec.Hours()),
    },
}


def experts(model: spec.Model, targets: int) -> tuple[spec.Expert, ...]:
    """The members of the mix beside the network: those named, or else the preset's.

    Each target has a read-out of its own of what all features show, so beyond FEW targets a preset goes without it.
    """
    if model.experts:
        return model.experts
    if model.task == "label":
        return (spec.Last(),)
    found: tuple[spec.Expert, ...] = PRESETS[model.preset]["experts"]
    return tuple(each for each in found if targets <= FEW or not isinstance(each, spec.Echo))


def network(model: spec.Model) -> tuple[tuple[spec.Layer, ...], spec.Rule, spec.Optimiser]:
    """Layers, rule and optimiser: those that are named, or else the preset's, which go together (`by_filter`)."""
    preset = PRESETS[model.preset]
    optimiser = model.optimiser or (spec.Ekf() if by_filter(model) else spec.Adam())
    filtered = isinstance(optimiser, spec.Ekf)
    layers, rule = FILTERED[model.task] if filtered else (preset["layers"], preset["rule"])
    return model.layers or layers, model.rule or rule, optimiser


def by_filter(model: spec.Model) -> bool:
    """Whether the network of a model that names nothing of it is one that the filter trains: that of labels.

    Not in `light`, with quantiles or pooled weights, nor where it would be slow.
    """
    named = any(each is not None for each in (model.layers, model.rule, model.optimiser))
    if model.task != "label" or model.preset == "light" or named:
        return False
    private = model.weights == "per_stream"
    return private and len(model.features) <= MOST and not isinstance(model.head, spec.Quantile)


def unnamed(model: spec.Model) -> spec.Model:
    """The model without Adam's defaults: 0.1.0 stored them where nobody had named an optimiser."""
    return replace(model, optimiser=None) if model.optimiser == spec.Adam() else model


def watching(model: spec.Model) -> tuple[Any, ...]:
    """The monitors that are combined into the score: those named, or else the preset's."""
    named = tuple(monitor for monitor in model.monitors if type(monitor) in MONITORS)
    if model.task == "label":
        return named or (spec.Residual(),)
    return named or PRESETS[model.preset]["monitors"]
