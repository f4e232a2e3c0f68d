"""What the filter (optimiser `ekf`) needs of a row: its groups of weights, their covariances, what the network sees."""

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core import simd
from streamrnn.kernels.core.program import Corrects, Layer, Program, Sees
from streamrnn.kernels.experts import gate
from streamrnn.model.layers import LAYERS
from streamrnn.model.names import PLAIN

SEES = {
    "value": Sees.VALUE,
    "change": Sees.CHANGE,
    "missing": Sees.MISSING,
    "hour": Sees.HOUR,
    "error": Sees.ERROR,
    "elapsed": Sees.ELAPSED,
    "experts": Sees.EXPERTS,
    "calendar": Sees.CALENDAR,
}
CORRECTS = {"mix": Corrects.MIX, "last": Corrects.LAST, "mean": Corrects.MEAN}


def refuse(model: spec.Model, layers: tuple[spec.Layer, ...], rule: spec.Rule, optimiser: spec.Optimiser) -> None:
    """Raise ConfigError when the filter cannot train this network, or what only it has is asked of another."""
    if not isinstance(optimiser, spec.Ekf):
        if model.corrects not in (None, "mix"):
            raise ConfigError(
                f"model.corrects = '{model.corrects}' without the optimiser 'ekf'", "leave it out: it corrects the mix"
            )
        return
    for layer in layers:
        if LAYERS[type(layer)].groups is None:
            name = str(layer.__struct_config__.tag)
            raise ConfigError(f"model.optimiser 'ekf' with layer '{name}'", "use 'adam', or a recurrent or dense layer")
    if isinstance(model.head, spec.Quantile):
        raise ConfigError("model.optimiser 'ekf' with head 'quantile'", "use 'gaussian' or 'student', or 'adam'")
    if isinstance(rule, spec.Tbptt) and rule.recompute:
        raise ConfigError(
            "model.optimiser 'ekf' with a rule that recomputes", "leave recompute out: it runs rows again itself"
        )
    if model.gate and rule.stride > 1:
        raise ConfigError(
            "model.gate with the optimiser 'ekf' and a stride above 1",
            "the gate learns from each label as it comes: set the rule's stride to 1, or gate = false",
        )


def seen(model: spec.Model, gated: bool, filtered: bool) -> tuple[str, ...]:
    """What the network sees, by name."""
    if model.inputs is not None:
        return model.inputs
    if filtered:
        return ("value",) if model.task == "label" else ("value", "calendar")
    return (*PLAIN, "experts", "calendar") if gated else PLAIN


def widths(names: tuple[str, ...], features: int, targets: int, experts: int, horizons: int) -> tuple[int, int]:
    """Inputs of the network that are its own, without those that are known ahead, and those of experts and calendar."""
    each = {"value": features, "change": features, "missing": features, "hour": 2, "error": targets, "elapsed": 1}
    others = {"experts": targets * (experts + 1) * min(horizons, 2), "calendar": gate.HARMONICS}
    return sum(each.get(name, 0) for name in names), sum(others.get(name, 0) for name in names)


def _blocks(groups: int, size: int) -> int:
    """Numbers that the covariances of so many groups of `size` weights take, with the corrections that wait."""
    width = simd.GROUPS
    return -(-groups // width) * width * (size * (size + 1) // 2 + size)


def lay_out(
    kinds: tuple[spec.Layer, ...], layers: NDArray[np.int64], ints: NDArray[np.int64], answers: int, logits: int
) -> list[tuple[NDArray[np.int64], int, int]]:
    """Groups and sizes into the layers' table. Returns for each part of the state what gets its place, and its size."""
    ends = [*layers[1:, Layer.PARAMS].tolist(), int(ints[Program.READOUT])]
    parts = []
    largest = int(ints[Program.TOP]) + 1
    for row, kind, end in zip(layers, kinds, ends, strict=True):
        divide = LAYERS[type(kind)].groups
        assert divide is not None
        groups = divide(int(row[Layer.SHAPE + 1]))
        size = (end - int(row[Layer.PARAMS])) // groups
        row[Layer.GROUPS], row[Layer.GROUP_SIZE] = groups, size
        parts.append((row[Layer.COVARIANCE : Layer.COVARIANCE + 1], groups, size))
        largest = max(largest, size)
    ints[Program.LARGEST_GROUP] = largest
    top = int(ints[Program.TOP]) + 1
    parts.append((ints[Program.COVARIANCE_READOUT : Program.COVARIANCE_READOUT + 1], answers, top))
    if logits:
        parts.append((ints[Program.COVARIANCE_GATE : Program.COVARIANCE_GATE + 1], logits, top))
    return parts


def state(
    kinds: tuple[spec.Layer, ...], layers: NDArray[np.int64], ints: NDArray[np.int64], answers: int, logits: int
) -> tuple[int, list[tuple[NDArray[np.int64], int]]]:
    """Numbers of the filter's state, and where in it each part begins."""
    begins, places = 0, []
    for place, groups, size in lay_out(kinds, layers, ints, answers, logits):
        places.append((place, begins))
        begins += _blocks(groups, size)
    return begins, places


def scratch(layers: NDArray[np.int64], ints: NDArray[np.int64], answers: int, logits: int) -> tuple[int, int]:
    """Room for one label: one block's gradient and the products of all blocks (float32), derivatives (float64)."""
    width, top = simd.GROUPS, int(ints[Program.TOP]) + 1
    products = sum(-(-int(row[Layer.GROUPS]) // width) * width * int(row[Layer.GROUP_SIZE]) for row in layers)
    rows = max(1, logits)
    readout = (-(-rows // width) + 1) * width * top
    return width * int(ints[Program.LARGEST_GROUP]) + products + readout, max(2, logits)
