"""Which times of a gap are steps, and how far ahead a step lies, against the twin; and what that means for a stream."""

from itertools import pairwise

import numpy as np
import pytest

from streamrnn.kernels.core.usual import Gaps
from streamrnn.kernels.step import gaps
from tests.naive import gaps as naive

MONDAY = 1_756_684_800.0
STEPS = np.array([1, 3, 24, 100])


def schedule(kind: str, interval: float, weeks: int = 6) -> list[int]:
    """Numbers of the regular times at which a value comes; one in a hundred is lost besides."""
    random = np.random.default_rng(1)
    found = []
    for k in range(int(weeks * 604_800 / interval)):
        second = k * interval
        day, hour = int(second // 86_400) % 7, second % 86_400 / 3600
        open_ = {"always": True, "days": 8 <= hour < 18, "week": day < 5, "office": day < 5 and 8 <= hour < 18}[kind]
        if open_ and random.random() < 0.99:
            found.append(k)
    return found


@pytest.mark.parametrize("interval", [300.0, 3600.0, 10_800.0, 86_400.0])
@pytest.mark.parametrize("kind", ["always", "days", "week", "office"])
def test_every_skipped_time_counts_as_in_the_twin(kind: str, interval: float) -> None:
    if kind in ("days", "office") and interval > 3600.0:
        pytest.skip("a day has too few values")
    ours, twin, out = np.zeros(Gaps.WIDTH), naive.Gaps(), np.zeros(len(STEPS), np.int64)
    times = schedule(kind, interval)
    before = times[0]
    for number, k in enumerate(times[1:]):
        time, since, skipped = MONDAY + k * interval, MONDAY + before * interval, k - before - 1
        if skipped:
            assert gaps.usual(ours, since, interval, skipped) == twin.usual(since, interval, skipped)
            gaps.learn_skipped(ours, since, interval, skipped)
            twin.skip(since, interval, skipped)
        gaps.learn_came(ours, time, interval)
        twin.came(time, interval)
        if number % 50 == 0:
            gaps.ahead(ours, time, interval, STEPS, out)
            assert out.tolist() == [twin.ahead(time, interval, int(h)) for h in STEPS]
        before = k
    assert ours[Gaps.DAY : Gaps.WEEK] == pytest.approx([twin.day[h] for h in range(24)])
    assert ours[Gaps.WEEK :] == pytest.approx([twin.week[h] for h in range(168)])


def test_four_nights_or_three_weekends_are_usual_and_one_accident_is_not() -> None:
    for kind, interval, gap, wanted in (
        ("days", 3600.0, (17 + 24 * 3, 14), 0),  # the fourth night
        ("days", 3600.0, (17 + 24 * 4, 14), 14),
        ("week", 86_400.0, (4 + 14, 2), 0),  # the third weekend
        ("week", 86_400.0, (4 + 21, 2), 2),
        ("week", 86_400.0, (1 + 14, 1), 0),  # a Wednesday
    ):
        table, (last, skipped) = np.zeros(Gaps.WIDTH), gap
        times = [k for k in range(last) if k * interval % 604_800 < 432_000 or kind == "days"]
        times = [k for k in times if kind == "week" or 8 <= k % 24 < 18]
        for one, other in pairwise(times):
            if other - one > 1:
                gaps.learn_skipped(table, MONDAY + one * interval, interval, other - one - 1)
            gaps.learn_came(table, MONDAY + other * interval, interval)
        assert gaps.usual(table, MONDAY + last * interval, interval, skipped) == wanted, (kind, gap)


def test_nothing_is_learned_of_the_hours_from_weeks_without_data() -> None:
    table = np.zeros(Gaps.WIDTH)
    gaps.learn_skipped(table, MONDAY, 3600.0, 24 * 35)
    assert not table[Gaps.DAY :].any()
    assert gaps.usual(table, MONDAY, 3600.0, 10**9) == 0  # and no loop over all of them


def test_where_every_hour_is_silent_the_steps_still_lie_somewhere() -> None:
    table, out = np.zeros(Gaps.WIDTH), np.zeros(len(STEPS), np.int64)
    table[Gaps.DAY :] = 1.0
    gaps.ahead(table, MONDAY, 60.0, STEPS, out)
    assert (np.diff(out) > 0).all()
    assert out[0] >= 1
