"""The drift detectors are river's."""

from typing import Any

import numpy as np
import pytest
from river import drift

from streamrnn import spec
from streamrnn.kernels.core.call import at, call
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.drift import contract as d
from streamrnn.model.parts import DETECTORS

ADWIN = [{}, {"delta": 0.05}, {"delta": 1e-6}]
PAGE_HINKLEY = [{}, {"delta": 0.005, "threshold": 50.0}, {"delta": 0.0, "threshold": 3.0, "alpha": 0.99}]
KINDS = [(spec.Adwin(**given), drift.ADWIN, given) for given in ADWIN]
KINDS += [(spec.PageHinkley(**given), drift.PageHinkley, given) for given in PAGE_HINKLEY]


@jit
def _drive(address: Any, reals: Any, state: Any, values: Any, out: Any) -> None:
    for i in range(len(values)):
        call(address, at(reals, 0), at(state, 0), values[i], at(out, i * d.WIDTH))


def told(kind: Any, values: Any) -> Any:
    """What a detector says of every value (n, WIDTH)."""
    part, out = DETECTORS[type(kind)], np.zeros((len(values), d.WIDTH))
    _drive(part.update.address("float64"), np.array(part.reals(kind)), np.zeros(part.state), values, out.reshape(-1))
    return out


def values(seed: int, spread: float = 0.2) -> Any:
    """Stretches of a few hundred to a few thousand numbers around means of their own."""
    random = np.random.default_rng(seed)
    lengths, means = random.integers(200, 3000, 6), random.uniform(0, 1, 6)
    return np.concatenate([random.normal(m, spread, n) for m, n in zip(means, lengths, strict=True)])


@pytest.mark.parametrize(("kind", "theirs", "given"), KINDS, ids=lambda it: repr(it) if isinstance(it, dict) else "")
@pytest.mark.parametrize("seed", range(6))
def test_changes_are_found_where_river_finds_them(kind: Any, theirs: Any, given: Any, seed: int) -> None:
    made = {"threshold": 10.0, "delta": 0.05, **given} if theirs is drift.PageHinkley else given
    peer, expected = theirs(**made), []
    for i, x in enumerate(values(seed).tolist()):
        peer.update(x)
        if peer.drift_detected:
            expected.append(i)
    assert np.flatnonzero(told(kind, values(seed))[:, d.FOUND]).tolist() == expected
    assert expected


@pytest.mark.parametrize("kind", [spec.Adwin(), spec.PageHinkley()], ids=repr)
def test_a_change_is_dated_and_its_means_are_told(kind: Any) -> None:
    random = np.random.default_rng(1)
    series = np.concatenate([random.normal(0.4, 0.2, 2000), random.normal(0.7, 0.2, 200)])
    out = told(kind, series)
    found = int(np.flatnonzero(out[:, d.FOUND])[0])
    assert 2000 < found < 2100
    assert abs(found + 1 - out[found, d.AGO] - 2000) < 30
    assert out[found, d.BEFORE] == pytest.approx(0.4, abs=0.02)
    assert out[found, d.AFTER] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("kind", [spec.Adwin(), spec.PageHinkley()], ids=repr)
def test_in_what_stays_as_it_is_nothing_is_found(kind: Any) -> None:
    random = np.random.default_rng(2)
    size = np.abs(random.normal(0, 1, (20, 10_000)))
    assert sum(int(told(kind, row)[:, d.FOUND].sum()) for row in size / (size + 0.8)) <= 1
