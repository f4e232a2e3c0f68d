"""The presets: parts by which a model runs that names none of its own."""

from typing import Any

from streamrnn import spec
from streamrnn.model.parts import MONITORS

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
        "experts": (spec.Last(), spec.Seasonal(), spec.Seasonal(2), spec.Profile(), spec.Smooth(), spec.Linear()),
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
        ),
        "rule": spec.Tbptt(24, 8),
        "history": 2048,
        "gate": True,
        "monitors": (spec.Residual(), spec.Mean(), spec.Mean(0.01), spec.Hours()),
    },
}


def watching(model: spec.Model) -> tuple[Any, ...]:
    """The monitors that are combined into the score: those named, or else the preset's."""
    named = tuple(monitor for monitor in model.monitors if type(monitor) in MONITORS)
    if model.task == "label":
        return named or (spec.Residual(),)
    return named or PRESETS[model.preset]["monitors"]
