"""What cannot be is refused by the plan, with a hint."""

from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.program import Program
from streamrnn.model.initial import learned
from streamrnn.model.parts import LAYERS
from streamrnn.model.plan import compose
from tests.engine.feed import tiny

WRONG = [
    ({"head": spec.Binary()}, "'binary' with task 'forecast'"),
    ({"head": spec.Quantile(levels=(0.1, 0.9))}, "levels do not ascend around 0.5"),
    ({"head": spec.Quantile(levels=(0.9, 0.5, 0.1))}, "levels do not ascend around 0.5"),
    ({"head": spec.Quantile(levels=(0.2, 0.4, 0.5))}, "levels do not ascend around 0.5"),
    ({"layers": (spec.Lru(5),)}, "'lru' has an odd size"),
    ({"layers": (spec.Elman(5), spec.Dropout()), "rule": spec.Tbptt(4, 2)}, "does not recompute"),
    ({"layers": (spec.Elman(5), spec.Lru(4, r_min=0.9, r_max=0.5))}, "r_min at or above r_max"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        compose(tiny(**changes))
    assert caught.value.hint


FEATURES = tuple(f"x{number}" for number in range(65))
LABELS: list[tuple[dict[str, Any], type[spec.Optimiser]]] = [
    ({}, spec.Ekf),
    ({"preset": "full", "head": spec.Binary()}, spec.Ekf),
    ({"task": "forecast"}, spec.Adam),
    ({"preset": "light"}, spec.Adam),
    ({"layers": (spec.Gru(8),)}, spec.Adam),
    ({"rule": spec.Tbptt(8, 1)}, spec.Adam),
    ({"weights": "pooled"}, spec.Adam),
    ({"head": spec.Quantile()}, spec.Adam),
    ({"features": FEATURES}, spec.Adam),
    ({"optimiser": spec.Sgd()}, spec.Sgd),
]


@pytest.mark.parametrize(("changes", "optimiser"), LABELS, ids=[str(list(changes)) for changes, _ in LABELS])
def test_labels_are_learned_by_the_filter_where_nothing_is_named_and_it_is_quick(
    changes: dict[str, Any], optimiser: type[spec.Optimiser]
) -> None:
    sizes = compose(spec.Model(**{"features": ("x",), "task": "label", **changes})).sizes
    assert type(sizes.optimiser) is optimiser
    assert (sizes.layers == (spec.Lstm(16),)) == (optimiser is spec.Ekf)


@pytest.mark.parametrize(
    "kind", [kind for kind in LAYERS if kind not in (spec.Embedding, spec.Dropout)], ids=lambda kind: kind.__name__
)
def test_the_first_weights_fill_their_place(kind: type) -> None:
    plan = compose(tiny(layers=(kind(),)))
    row, _ = learned(plan, "a", "float64")
    p, size = plan.table.ints, plan.table.ints[Program.READOUT]
    first = row[p[Program.PARAMS] : p[Program.PARAMS] + size]
    assert np.isfinite(first).all()
    assert first.any()
    assert not row[p[Program.PARAMS] + size : p[Program.PARAMS] + p[Program.PARAMS_LENGTH]].any()
    assert (row[p[Program.GOOD] : p[Program.GOOD] + size] == first).all()


def test_a_ring_starts_between_its_radii() -> None:
    plan = compose(tiny(layers=(spec.Lru(64, r_min=0.6, r_max=0.9, phase=1.0),)))
    row, _ = learned(plan, "a", "float64")
    start = int(plan.table.ints[Program.PARAMS] + plan.sizes.inputs * 64)
    size, theta = np.exp(-np.exp(row[start : start + 32])), row[start + 32 : start + 64]
    assert (size > 0.6).all() and (size < 0.9).all()
    assert np.ptp(size) > 0.2
    assert (theta >= 0).all() and (theta <= 1).all()
