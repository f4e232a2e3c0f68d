"""What the rules that learn forward in time need of a row, and what they refuse."""

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.program import Layer, Program
from streamrnn.model.layers import LAYERS, Trace
from streamrnn.model.layout import Plane

RULES = (spec.Rtrl, spec.Snap1, spec.Immediate)


def recurrent(layer: spec.Layer) -> bool:
    """Whether a layer has a state of its own."""
    return LAYERS[type(layer)].memory == "state"


def trace(rule: spec.Rule, layer: spec.Layer) -> Trace | None:
    """What the layer needs to learn by the rule."""
    return LAYERS[type(layer)].trace if isinstance(rule, spec.Rtrl | spec.Snap1) else None


def scratch(rule: spec.Rule, layers: tuple[spec.Layer, ...], table: NDArray[np.int64]) -> list[int]:
    """Room that each layer's part of the rule works in."""
    units = table[:, Layer.SHAPE + 1].tolist()
    pairs = [(trace(rule, layer), size) for layer, size in zip(layers, units, strict=True)]
    return [found.scratch(size) for found, size in pairs if found]


def refuse(model: spec.Model, rule: spec.Rule, layers: tuple[spec.Layer, ...]) -> None:
    """Raise ConfigError when these layers cannot learn by this rule."""
    if not isinstance(rule, RULES):
        return
    name = spec.kind(rule)
    if model.task == "label" and model.label_memory > 1:
        raise ConfigError(
            f"model.rule '{name}' with model.label_memory = {model.label_memory}",
            "it learns from labels that come before the next observation: set label_memory = 1, or use 'tbptt'",
        )
    for number, layer in enumerate(layers):
        found = trace(rule, layer)
        if LAYERS[type(layer)].memory == "inputs" and number > 0:
            raise ConfigError(
                f"model.rule '{name}' with layer '{spec.kind(layer)}' above another",
                "the gradient cannot reach the rows it looks back on: put it first, or use 'tbptt'",
            )
        if not recurrent(layer) or isinstance(rule, spec.Immediate):
            continue
        if found is None:
            raise ConfigError(f"model.rule '{name}' with layer '{spec.kind(layer)}'", "use 'tbptt' or 'immediate'")
        if isinstance(rule, spec.Rtrl) and not found.exact:
            raise ConfigError(
                f"model.rule 'rtrl' with layer '{spec.kind(layer)}', whose units see each other",
                "exact RTRL needs a diagonal recurrence, 'lru'; 'snap1' is the approximation for this layer",
            )


def traces(
    rule: spec.Rule, layers: tuple[spec.Layer, ...], table: NDArray[np.int64], ints: NDArray[np.int64],
    f32: Plane, name: str,
) -> None:  # fmt: skip
    """Lay the traces of all layers out, one after the other; `table` gets their places, and where a rule cuts."""
    base = int(ints[Program.BASE_F32])
    start = f32.width
    for number, (row, layer) in enumerate(zip(table, layers, strict=True)):
        found = trace(rule, layer)
        row[Layer.CUT] = int(isinstance(rule, spec.Immediate) and recurrent(layer))
        if found is not None:
            size = found.size(int(row[Layer.SHAPE]), int(row[Layer.SHAPE + 1]))
            row[Layer.TRACE] = f32.add(f"trace {number} {name}", size) - base
    ints[Program.TRACES], ints[Program.TRACES_LENGTH] = start - base, f32.width - start
