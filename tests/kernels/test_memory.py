"""What stands in the memory, whatever comes in whatever order."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import spec
from tests.kernels.drive import Layer

KINDS, UNITS = 6, 3


def slots_after(kinds: list[int], slots: int) -> list[tuple[int, int]]:
    """Pairs of kinds (key, value) that stand in the memory after inputs that are alike or have nothing in common."""
    layer = Layer(spec.Memory(slots=slots), KINDS, UNITS, len(kinds), "float64")
    state = layer.empty()
    layer.forward(np.zeros(layer.params), np.eye(KINDS)[kinds], np.ones(len(kinds)), state)
    keys, values, presence = np.split(state[UNITS + KINDS + 1 :], [slots * KINDS, 2 * slots * KINDS])
    used = presence > 0
    return list(
        zip(
            keys.reshape(slots, KINDS)[used].argmax(axis=1).tolist(),
            values.reshape(slots, KINDS)[used].argmax(axis=1).tolist(),
            strict=True,
        )
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, KINDS - 1), min_size=2, max_size=60))
def test_a_slot_tells_what_came_last_after_its_key(kinds: list[int]) -> None:
    found = slots_after(kinds, KINDS)
    assert len(found) == len(set(kinds[:-1]))
    assert dict(found) == dict(pairwise(kinds))


def test_the_key_that_came_longest_ago_gives_way() -> None:
    assert sorted(slots_after([0, 1, 0, 2, 3], 2)) == [(0, 2), (2, 3)]
