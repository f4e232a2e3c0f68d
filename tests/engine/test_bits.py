"""The bits that kernels write are those that messages.py names."""

import pytest

from streamrnn import messages
from streamrnn.kernels.core.outcomes import Bit, Flag

BITS = [
    "END", "LABEL_ONLY", "STAMPED", "AHEAD", "TRUE_ALARM", "FALSE_ALARM", "IGNORE", "JUDGED", "UNJUDGED",
    "TOOK_OVER", "WITHDRAWN",
    "LEARNED", "LATE", "DUPLICATE", "ANOMALY", "WARMING", "OPENED", "WORSENED",
    "CLOSED", "UPDATED", "SKIPPED", "ROLLED_BACK", "MISSING", "GAP", "UNMATCHED", "SETTLED", "RESTED",
    "REGIME", "HELD_OFF", "SILENCE", "DRIFT_FOUND", "STRANGE", "FREEZE", "FROZEN", "INVALID",
]  # fmt: skip


NAMED = {**vars(Flag), **vars(Bit)}


@pytest.mark.parametrize("name", BITS)
def test_bits_agree(name: str) -> None:
    assert getattr(messages, name) == NAMED[name]


def test_no_bit_is_forgotten() -> None:
    powers = {
        name
        for name, value in vars(messages).items()
        if name.isupper() and isinstance(value, int) and value & (value - 1) == 0
    }
    assert powers == set(BITS)
