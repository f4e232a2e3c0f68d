"""The presets: parts by which a model runs that names none of its own."""

from typing import Any

from streamrnn import spec
from streamrnn.model.parts import MONITORS

FEW = 4  # targets
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


def watching(model: spec.Model) -> tuple[Any, ...]:
    """The monitors that are combined into the score: those named, or else the preset's."""
    named = tuple(monitor for monitor in model.monitors if type(monitor) in MONITORS)
    if model.task == "label":
        return named or (spec.Residual(),)
    return named or PRESETS[model.preset]["monitors"]
