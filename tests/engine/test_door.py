"""What the engine does with observations that are missing, doubled, late, out of step or at an end."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Count, Pending, Stats
from streamrnn.kernels.core.program import Program
from tests.engine.feed import START, STEP, batch, feed, finite, has, pick, same, step, tiny, weights
from tests.naive import experts

NAN = np.nan


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 2, n)


def test_missing_values_are_a_mask() -> None:
    engine = Engine(tiny(features=("x", "y"), horizons=(1, 3)), 1)
    values = np.column_stack([noise(200), noise(200, 1)])
    gone = np.random.default_rng(2).random(values.shape) < 0.3
    gone[0] = False
    values[gone] = NAN
    told = feed(engine, values)
    assert finite(told)
    assert np.isfinite(weights(engine)).all()
    assert has(told, m.UPDATED).any()
    assert (has(told, m.MISSING) == gone.any(axis=1)).all()
    assert (np.isnan(told.actual) == gone).all()
    assert not np.isfinite(told.expected[gone]).any()
    assert not has(told, m.SKIPPED | m.ROLLED_BACK).any()


def test_nothing_but_missing_values_is_answered_with_nothing() -> None:
    told = feed(Engine(tiny(), 1), [NAN] * 50)
    assert np.isnan(told.forecast).all()
    assert (told.bits & (m.LEARNED | m.MISSING) == m.LEARNED | m.MISSING).all()
    assert not has(told, m.UPDATED).any()


def test_a_first_value_after_missing_ones_is_enough() -> None:
    told = feed(Engine(tiny(features=("x", "y")), 1), [[NAN, 1.0], [NAN, 2.0], [3.0, NAN]])
    assert np.isnan(told.forecast[1, 0]).all()
    assert told.forecast[2, :, 0, 0].tolist() == pytest.approx([3.0, 2.0], abs=1.0)


def test_a_duplicate_is_answered_again_and_not_learned() -> None:
    once, twice = Engine(tiny(), 1), Engine(tiny(), 1)
    values = noise(40)
    plain = feed(once, values, seq=range(40))
    order = [0, 1, 1, 0, *range(2, 40), 39, 20]
    times = START + STEP * np.array(order)
    told = feed(twice, values[order], seq=order, time=times)
    again = [2, 3, 42, 43]
    assert np.flatnonzero(has(told, m.DUPLICATE)).tolist() == again
    assert not has(pick(told, again), m.LEARNED | m.LATE).any()
    assert once.export("a") == twice.export("a")
    same(pick(told, [2]), pick(plain, [1]), but=("row", "bits"))
    same(pick(told, [43]), pick(plain, [39]), but=("row", "bits"))


def test_a_late_observation_is_flagged_and_not_learned() -> None:
    plain, late = Engine(tiny(), 1), Engine(tiny(), 1)
    values = noise(30)
    feed(plain, values)
    times = START + STEP * np.arange(30)
    order = np.insert(np.arange(30), 20, 3)
    told = feed(late, np.insert(values, 20, 99.0), time=times[order])
    assert np.flatnonzero(has(told, m.LATE)).tolist() == [20]
    assert not has(pick(told, [20]), m.LEARNED | m.DUPLICATE).any()
    assert plain.export("a") == late.export("a")


def test_equal_times_are_legal() -> None:
    told = feed(Engine(tiny(), 1), noise(30), time=np.repeat(START + STEP * np.arange(10), 3))
    assert has(told, m.LEARNED).all()
    assert told.seq.tolist() == list(range(1, 31))


def test_a_sender_that_starts_anew_is_heard() -> None:
    """Its count begins again, its clock has moved on."""
    engine = Engine(tiny(), 1)
    feed(engine, noise(20), seq=range(100, 120))
    told = feed(engine, noise(5), seq=range(5), time=START + STEP * np.arange(20, 25))
    assert has(told, m.LEARNED).all()
    assert not told.sequence_gap.any()


def test_a_repeat_stamped_with_its_arrival_is_a_duplicate() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(5), seq=range(5), bits=[m.STAMPED] * 5)
    told = feed(engine, noise(1), seq=[4], time=[START + 1000 * STEP], bits=[m.STAMPED])
    assert has(told, m.DUPLICATE).all()


def test_lost_sequence_numbers_are_counted_once() -> None:
    told = feed(Engine(tiny(), 1), noise(6), seq=[7, 8, 11, 12, 12, 20])
    assert told.sequence_gap.tolist() == [0, 0, 2, 0, 0, 7]


def test_a_gap_settles_the_next_observation_and_skips_what_was_due_in_it() -> None:
    """One step ahead is what comes next, after any gap; two steps ahead is settled by its time, not by a message."""
    engine = Engine(tiny(horizons=(1, 2)), 1)
    times = np.array([0, 1, 2, 3, 4, 5, 6, 8, 9, 15, 16, 17])  # step 7 is skipped, then 10 to 14
    told = feed(engine, noise(12), time=START + STEP * times)
    assert np.flatnonzero(has(told, m.GAP)).tolist() == [7, 9]
    assert np.isfinite(told.expected[:, 0]).tolist() == [False] + [True] * 6 + [False] + [True] * 4  # gaps: from ten on
    p, q = engine._plan.table.ints, engine._bank.planes.i64
    assert q[p[Program.BASE_I64] + Count.STEP] == 18
    stats = engine._bank.planes.f64[p[Program.STATS] :]
    assert stats[Stats.COUNT] == 10  # settled one step ahead
    due = [t for t in times if t - 2 in times]
    assert stats[Stats.WIDTH + Stats.COUNT] == len(due)


def test_a_gap_of_years_passes_in_one_step() -> None:
    engine = Engine(tiny(preset="full", experts=None, horizons=(1, 24)), 1)
    times = START + STEP * np.array([0, 1, 2, 3, 4, 10**9, 10**9 + 1])
    assert finite(feed(engine, noise(7), time=times))


def test_the_end_resets_the_hidden_state_and_only_it() -> None:
    """With labels and stride such that no update falls due, the rows differ in hidden state and tape only."""
    ended, plain = (Engine(tiny(rule=spec.Tbptt(4, 512)), 1) for _ in range(2))
    values = noise(9)  # fewer than the network needs before it is taught
    feed(ended, values, bits=[0] * 8 + [m.END])
    feed(plain, values)
    p = ended._plan.table.ints
    start = int(p[Program.BASE_F32] + p[Program.MEMORY_F32])
    memory = slice(start, start + int(p[Program.MEMORY_LENGTH]))
    assert not ended._bank.planes.f32[memory].any()
    assert plain._bank.planes.f32[memory].all()
    plain._bank.planes.f32[memory] = 0
    plain._bank.planes.i64[p[Program.BASE_I64] + Count.FRESH] = 1
    assert ended.export("a") == plain.export("a")


def test_the_end_flushes_the_labels_into_an_update() -> None:
    engine = Engine(tiny(rule=spec.Tbptt(4, 512)), 1)
    told = feed(engine, noise(20), bits=[0] * 19 + [m.END])
    assert np.flatnonzero(has(told, m.UPDATED)).tolist() == [19]


@pytest.mark.parametrize("horizons", [(1,), (1, 3, 6, 24), (2, 5)])
def test_each_horizon_is_settled_by_its_own_answer(horizons: tuple[int, ...]) -> None:
    engine = Engine(tiny(horizons=horizons), 1)
    told = feed(engine, noise(100))
    assert finite(told)
    assert told.forecast.shape == (100, 1, len(horizons), 3)
    p = engine._plan.table.ints
    stats = engine._bank.planes.f64[p[Program.STATS] :][: len(horizons) * Stats.WIDTH].reshape(-1, Stats.WIDTH)
    assert stats[:, Stats.COUNT].tolist() == [100 - h for h in horizons]
    first = np.argmax(np.isfinite(told.forecast[:, 0, :, 1]), axis=0)
    assert first.tolist() == list(horizons)


def test_errors_per_horizon_are_those_of_the_forecasts_told() -> None:
    engine = Engine(tiny(horizons=(1, 3)), 1)
    values = noise(80)
    told = feed(engine, values)
    assert told.expected[1:, 0].tolist() == told.forecast[:-1, 0, 0, 0].tolist()
    health = engine.health()
    p = engine._plan.table.ints
    stats = engine._bank.planes.f64[p[Program.STATS] :][: 2 * Stats.WIDTH].reshape(-1, Stats.WIDTH)
    for k, h in enumerate((1, 3)):
        error = np.abs(values[h:] - told.forecast[:-h, 0, k, 0]).mean()
        persistence = np.abs(values[h:] - values[:-h]).mean()
        assert stats[k, Stats.ERROR] == pytest.approx(error)
        assert health.skill_persistence[k] == pytest.approx(1 - error / persistence)
    assert told.skill[-1] == pytest.approx(health.skill_persistence[0])


def test_the_seasonal_expert_reads_what_its_twin_reads() -> None:
    engine = Engine(tiny(experts=(spec.Last(), spec.Seasonal()), seasons=(5 * STEP,), history=8, horizons=(1, 4, 7)), 1)
    twin, last = experts.Seasonal(spec.Seasonal(), (1, 4, 7), (5 * STEP, 0.0), 8), NAN
    p, table = engine._plan.table.ints, engine._plan.table
    steps = [t for t in range(60) if t % 11 not in (3, 4)]
    for t, y in zip(steps, noise(60), strict=False):
        last = float(y)
        feed(engine, [last], time=[START + STEP * t])
        twin.observe(last, t + 1, START + STEP * t, STEP if t else 0.0)
        width = int(p[Program.SLOT_WIDTH])
        pending = engine._bank.planes.f64[p[Program.PENDING] :]
        ours = [
            pending[(int(table.slots[k]) + (t + 1) % h) * width + Pending.FORECASTS + 1]
            for k, h in enumerate(engine.horizons)
        ]
        assert ours == twin.forecast(last, 0.0, 0.0, t + 1, START + STEP * t, STEP if t else 0.0)


def test_streams_in_one_batch_keep_their_own_clocks() -> None:
    engine = Engine(tiny(), 2)
    told = step(engine, batch(["a", "b"] * 10, noise(20), time=np.repeat(START + STEP * np.arange(10), 2)))
    assert has(told, m.LEARNED).all()
    assert told.interval[-2:].tolist() == [STEP, STEP]
