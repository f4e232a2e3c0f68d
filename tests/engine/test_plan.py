"""What cannot be is refused by the plan, with a hint."""

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
