"""The life of an anomaly event: the table of its transitions, row by row."""

import math

import numpy as np
import pytest

from streamrnn.kernels.core.layout import Count, ForecastLatest, Latest
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.monitors import anomaly_event as life

QUIET = 2


def after(state: int, what: str, calm: int = 0, peak: float = 1.0) -> tuple[int, int, float, int]:
    """One transition. Returns the outcome's bits, the state, the peak and the number of events."""
    latest, count = np.full(ForecastLatest.TARGETS, np.nan), np.zeros(Count.WIDTH, np.int64)
    count[[Count.OPEN, Count.CALM, Count.EVENT]], latest[Latest.PEAK] = (state, calm, 1), peak
    bits = {
        "alarm": lambda: life.judged(latest, count, 2, True, 5.0, QUIET),
        "surprise": lambda: life.judged(latest, count, 1, False, 5.0, QUIET),
        "calm": lambda: life.judged(latest, count, 0, False, 5.0, QUIET),
        "not heard": lambda: life.silent(latest, count, 5.0),
        "heard": lambda: life.heard(latest, count, math.nan, 5.0, QUIET),
        "heard late": lambda: life.heard(latest, count, 4.0, 5.0, QUIET),
        "not judged": lambda: life.unjudged(latest, count, QUIET),
        "regime": lambda: life.adopted(count),
    }[what]()
    return bits, int(count[Count.OPEN]), float(latest[Latest.PEAK]), int(count[Count.EVENT])


@pytest.mark.parametrize(
    ("state", "what", "calm", "expected"),
    [
        (life.CLOSED, "alarm", 0, (Bit.OPENED, life.OPEN, 2.0, 2)),
        (life.CLOSED, "surprise", 0, (0, life.CLOSED, 1.0, 1)),
        (life.CLOSED, "calm", 0, (0, life.CLOSED, 1.0, 1)),
        (life.CLOSED, "not heard", 0, (Bit.SILENCE, life.SILENT, 2.0, 2)),
        (life.CLOSED, "heard", 0, (0, life.CLOSED, 1.0, 1)),
        (life.CLOSED, "heard late", 0, (Bit.SILENCE, life.OPEN, 2.0, 2)),
        (life.CLOSED, "not judged", QUIET, (0, life.CLOSED, 1.0, 1)),
        (life.OPEN, "alarm", 0, (Bit.WORSENED, life.OPEN, 2.0, 1)),
        (life.OPEN, "surprise", 0, (0, life.OPEN, 1.0, 1)),
        (life.OPEN, "calm", 0, (0, life.OPEN, 1.0, 1)),
        (life.OPEN, "calm", QUIET - 1, (Bit.CLOSED, life.CLOSED, 1.0, 1)),
        (life.OPEN, "not heard", 0, (Bit.SILENCE, life.SILENT, 2.0, 1)),
        (life.OPEN, "heard", 0, (0, life.OPEN, 1.0, 1)),
        (life.OPEN, "not judged", 0, (0, life.OPEN, 1.0, 1)),
        (life.OPEN, "regime", 0, (Bit.REGIME, life.CLOSED, 1.0, 1)),
        (life.SILENT, "heard", 0, (0, life.OPEN, 1.0, 1)),
    ],
)
def test_a_transition(state: int, what: str, calm: int, expected: tuple[int, int, float, int]) -> None:
    assert after(state, what, calm) == expected


@pytest.mark.parametrize("then", ["calm", "not judged"])
def test_a_stream_that_is_heard_again_closes_its_event_at_once(then: str) -> None:
    latest, count = np.full(ForecastLatest.TARGETS, np.nan), np.zeros(Count.WIDTH, np.int64)
    assert life.silent(latest, count, 3.0) == Bit.SILENCE
    assert life.heard(latest, count, math.nan, 9.0, QUIET) == 0
    if then == "calm":
        assert life.judged(latest, count, 0, False, 9.0, QUIET) == Bit.CLOSED
    else:
        assert life.unjudged(latest, count, QUIET) == Bit.CLOSED
    assert (latest[Latest.STARTED], count[Count.SEVERITY], count[Count.EVENT]) == (3.0, life.OF_SILENCE, 1)


def test_an_event_opens_worsens_and_closes_after_the_quiet() -> None:
    latest, count = np.full(ForecastLatest.TARGETS, np.nan), np.zeros(Count.SLOT + 1, np.int64)
    told = [
        life.judged(latest, count, level, level > 0, float(time), 3)
        for time, level in enumerate([0, 1, 1, 0, 2, 1, 0, 0, 0, 0, 3, 0, 0, 0])
    ]
    assert told == [0, Bit.OPENED, 0, 0, Bit.WORSENED, 0, 0, 0, Bit.CLOSED, 0, Bit.OPENED, 0, 0, Bit.CLOSED]
    assert count[Count.EVENT] == 2
    assert latest[Latest.STARTED] == 10.0
    assert count[Count.SEVERITY] == 3  # a closing outcome tells the event's peak
