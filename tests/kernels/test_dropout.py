"""The masks of dropout."""

import numpy as np
import pytest

from streamrnn.kernels.layers.dropout import UNITS, draw
from tests.naive import dropout
from tests.naive.dropout import WORD, splitmix


def test_the_twin_is_splitmix64() -> None:
    """The first numbers from seed 1234567, as its authors' implementation gives them."""
    states = [(1234567 + (i + 1) * 0x9E3779B97F4A7C15) % WORD for i in range(3)]
    assert [splitmix(state) for state in states] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize(("share", "count"), [(0.5, 0), (0.1, 2**61 + 5), (0.75, 2**63 - 2000)])
def test_masks_equal_the_twin(share: float, count: int) -> None:
    masks = np.full(500, np.nan)
    assert draw(masks, round(share * UNITS), count) == count + 500
    np.testing.assert_allclose(masks, dropout.draw(500, share, count), rtol=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_mean_stays(share: float) -> None:
    masks = np.empty(100_000, np.float32)
    draw(masks, round(share * UNITS), 1)
    assert np.mean(masks == 0) == pytest.approx(share, abs=0.005)
    assert masks.mean(dtype=float) == pytest.approx(1.0, abs=0.02)
