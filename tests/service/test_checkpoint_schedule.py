"""When parts of a checkpoint are written: beside the messages, unless a crash would have too much to do again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.config.schema import State
from streamrnn.service.storage.checkpoint_schedule import PAUSE, CheckpointSchedule

REPLAY = 8.0
TURN = 0.05  # seconds of serving


def served(parts: int, part: float, turns: int) -> list[tuple[float, float]]:
    """Turns under full load: work at risk after each, and the share of the time that was spent on writing."""
    pace, now, left, spent, told = CheckpointSchedule(State(replay=REPLAY), 0.0), 0.0, parts, 0.0, []
    for _ in range(turns):
        pace.work += TURN
        now += TURN
        while pace.due(now, True, 1.0 - left / parts):
            pace.begin()
            left -= 1
            pace.wrote(now, now + part, left > 0)
            now, spent, left = now + part, spent + part, left or parts
            if not pace.behind(1.0 - left / parts):
                break
        told.append((pace.work, spent / now))
    return told


@given(st.integers(1, 3000), st.floats(0.001, 0.1))
def test_no_more_is_at_risk_than_may_be(parts: int, part: float) -> None:
    assert max(work for work, _ in served(parts, part, 1500)) <= REPLAY + 2 * TURN


def test_a_small_state_is_written_beside_the_messages() -> None:
    *_, (_, share) = served(10, 0.01, 2000)
    assert share < 0.03


def test_a_large_state_is_written_first() -> None:
    *_, (_, share) = served(2000, 0.01, 2000)
    assert share > 0.7


def test_a_part_makes_way_for_messages_as_long_as_there_is_time() -> None:
    pace = CheckpointSchedule(State(replay=REPLAY, checkpoint=1.0), 0.0)
    assert not pace.due(0.9, True, 1.0)
    assert pace.due(1.1, True, 1.0)
    pace.begin()
    pace.wrote(1.1, 1.2, True)
    assert not pace.due(1.2, True, 0.5)
    assert pace.due(1.2, False, 0.5)
    assert pace.due(1.2 + PAUSE * 0.1001, True, 0.5)
    pace.work += 0.6 * REPLAY
    assert pace.due(1.2, True, 0.5)


def test_a_round_covers_only_what_came_before_it() -> None:
    pace = CheckpointSchedule(State(), 0.0)
    pace.work = 5.0
    for more in (True, False):
        pace.begin()
        pace.wrote(0.0, 0.1, more)
        pace.work += 1.0
    assert pace.work == pytest.approx(2.0)
