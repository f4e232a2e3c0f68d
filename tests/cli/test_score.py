"""The one-pass score against a slow twin that looks everything up by time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import messages
from streamrnn.evaluation.score import Score
from tests.columns import outcomes
from tests.engine.feed import pick


def outcomes_of(streams, horizons, rng):
    """One outcome a row, streams interleaved: rows of (stream, position, value)."""
    n = len(streams)
    found = outcomes(n, 1, len(horizons))
    found.row[:] = [row for row, _, _ in streams]
    found.time[:] = [3600.0 * position for _, position, _ in streams]
    found.interval[:] = 3600.0
    found.step[:] = [position for _, position, _ in streams]
    found.actual[:, 0] = [value for _, _, value in streams]
    centre = rng.normal(size=(n, 1, len(horizons)))
    found.forecast[:] = np.stack([centre, centre - 1, centre + 1], axis=-1)
    return found


def twin(outcomes, horizons):
    """The same by dictionary: (n, mae, persistence, m, seasonal, coverage) a horizon."""
    at = {(r, t): i for i, (r, t) in enumerate(zip(outcomes.row, outcomes.time / 3600, strict=True))}
    value = outcomes.actual[:, 0]
    found = []
    for k, h in enumerate(horizons):
        ours, naive, seasonal, inside = [], [], [], []
        for (r, t), i in at.items():
            earlier = [at[r, when] for row, when in at if row == r and when < t]
            j = earlier[-1] if h == 1 and earlier else at.get((r, t - h))
            if j is None or np.isnan(value[i]) or np.isnan(value[j]):
                continue
            y, low, high = outcomes.forecast[j, 0, k]
            ours.append(abs(y - value[i]))
            naive.append(abs(value[j] - value[i]))
            inside.append(low <= value[i] <= high)
            back = at.get((r, t - 24 * -(-h // 24)))
            if back is not None and not np.isnan(value[back]):
                seasonal.append(abs(value[back] - value[i]))
        mean = [float(np.mean(x)) if x else None for x in (ours, naive, seasonal, inside)]
        found.append((len(ours), mean[0], mean[1], len(seasonal), mean[2], mean[3]))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 50, 4096]), st.sampled_from([(1,), (1, 3, 24), (2, 30)]))
def test_equals_the_twin_whatever_the_batches(seed, size, horizons):
    rng = np.random.default_rng(seed)
    rows, position = [], [0, 0, 0]
    for _ in range(160):
        row = int(rng.integers(3))
        position[row] += 1 if rng.random() < 0.95 else int(rng.integers(2, 30))
        rows.append((row, position[row], np.nan if rng.random() < 0.05 else rng.normal()))
    outcomes = outcomes_of(rows, horizons, rng)
    score = Score(("flow",), horizons)
    for start in range(0, len(rows), size):
        score.add(pick(outcomes, slice(start, start + size)))
    for step, wanted in zip(score.steps(), twin(outcomes, horizons), strict=True):
        got = (step.scored, step.mae, step.mae_persistence, step.scored_seasonal, step.mae_seasonal, step.coverage)
        assert got == pytest.approx(wanted)


def test_a_label_is_scored_against_its_own_forecast():
    rng = np.random.default_rng(1)
    outcomes = outcomes_of([(0, i, float(i)) for i in range(50)], (0,), rng)
    score = Score(("label",), (0,))
    score.add(outcomes)
    step = score.steps()[0]
    assert step.scored == 49  # the first has no last value beside it
    assert step.mae == pytest.approx(np.abs(outcomes.forecast[1:, 0, 0, 0] - np.arange(1, 50)).mean())
    assert step.mae_persistence == pytest.approx(1.0)


def test_what_was_not_learned_is_not_scored():
    outcomes = outcomes_of([(0, i, 1.0) for i in range(10)], (1,), np.random.default_rng(1))
    outcomes.bits[5] = messages.LATE
    outcomes.bits[6] = messages.DUPLICATE
    score = Score(("flow",), (1,))
    score.add(outcomes)
    assert score.steps()[0].scored == 7  # 0-1 .. 3-4, then 4-7, 7-8, 8-9: rows 5 and 6 are none


def test_nothing_scored_is_none_not_nan():
    score = Score(("flow",), (1,))
    assert score.steps()[0].mae is None
    assert score.coverage() is None
