"""Bad numbers stop at the door, bad weights are put back, and nobody else notices."""

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.program import Program
from tests.engine.feed import START, STEP, batch, feed, finite, has, join, pick, same, step, tiny, weights


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 2, n)


def ticks(start: int, n: int) -> np.ndarray:
    return START + STEP * np.arange(start, start + n)


@pytest.mark.parametrize(
    "layer", [spec.Elman(4), spec.Gru(4), spec.Lstm(4), spec.Lru(4), spec.Attention(4, span=3)], ids=repr
)
def test_a_weight_that_is_not_a_number_is_put_back(layer: spec.Layer) -> None:
    engine = Engine(tiny(layers=(layer,)), 1)
    feed(engine, noise(200))
    weights(engine)[3] = np.nan
    told = feed(engine, noise(300, 1), time=ticks(200, 300))
    assert np.flatnonzero(has(told, m.ROLLED_BACK)).tolist() == [0]
    assert finite(told)
    assert np.isfinite(weights(engine)).all()
    assert has(pick(told, slice(20, None)), m.UPDATED).sum() > 100


def test_roll_back_restores_the_last_good_weights() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(200))
    p = engine._plan.table.ints
    good = engine._bank.planes.learned[p[Program.GOOD] : p[Program.GOOD] + p[Program.PARAMS_LENGTH]].copy()
    assert (good != weights(engine)).any()
    weights(engine)[:] = np.nan
    feed(engine, noise(1), time=ticks(200, 1))
    assert weights(engine).tobytes() == good.tobytes()


def test_other_streams_do_not_notice() -> None:
    names = ["a", "b", "c"] * 100
    values = noise(300)
    engines = [Engine(tiny(), 3) for _ in range(2)]
    told = []
    for engine, bad in zip(engines, (False, True), strict=True):
        parts = [step(engine, batch(names, values, time=ticks(0, 300)))]
        if bad:
            weights(engine, "b")[:] = np.nan
        parts.append(step(engine, batch(names, values, time=ticks(300, 300))))
        told.append(join(parts))
    assert has(told[1], m.ROLLED_BACK).sum() == 1
    for name, start in (("a", 0), ("c", 2)):
        rows = slice(start, None, 3)
        same(pick(told[0], rows), pick(told[1], rows), but=())
        assert engines[0].export(name) == engines[1].export(name)


def test_a_weight_that_grew_beyond_all_measure_is_put_back() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(50))
    weights(engine)[2] = 1e6
    told = feed(engine, noise(300, 1), time=ticks(50, 300))
    assert has(told, m.ROLLED_BACK).sum() == 1
    assert np.abs(weights(engine)).max() < 100


def test_weights_that_grew_tenfold_are_put_back() -> None:
    engine = Engine(tiny(), 1)
    feed(engine, noise(200))
    before = np.linalg.norm(weights(engine))
    weights(engine)[:] *= 12
    told = feed(engine, noise(300, 1), time=ticks(200, 300))
    assert has(told, m.ROLLED_BACK).sum() == 1
    assert np.linalg.norm(weights(engine)) < 2 * before


@pytest.mark.parametrize("rule", [spec.Tbptt(4, 1), spec.Snap1(1)], ids=repr)
def test_a_network_that_falls_three_times_rests_and_learns_again(rule: spec.Rule) -> None:
    engine = Engine(tiny(rule=rule, monitors=(spec.Anomaly(warmup=20, holdoff=0),)), 1)
    seen = 200
    feed(engine, noise(seen))
    for fall in range(3):
        weights(engine)[0] = np.nan
        told = feed(engine, noise(20, fall), time=ticks(seen, 20))
        assert has(told, m.ROLLED_BACK).sum() == 1
        seen += 20
    assert not has(told, m.UPDATED)[1:].any()
    good = weights(engine).copy()
    told = feed(engine, noise(1100), time=ticks(seen, 1100))
    rested = has(told, m.RESTED)
    assert finite(told)
    assert 970 < rested.sum() < 1000
    assert rested[:900].all()
    assert has(told, m.UPDATED)[rested.sum() + 5 :].all()
    assert (weights(engine) != good).any()


def test_falls_that_lie_far_apart_do_not_add_up() -> None:
    engine = Engine(tiny(rule=spec.Tbptt(4, 1)), 1)
    feed(engine, noise(200))
    for fall in range(4):
        weights(engine)[0] = np.nan
        told = feed(engine, noise(11_000, fall), time=ticks(200 + 11_000 * fall, 11_000))
        assert has(told, m.ROLLED_BACK).sum() == 1
        assert not has(told, m.RESTED).any()


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    engine = Engine(tiny(rule=spec.Tbptt(4, 4)), 1)
    feed(engine, noise(50))
    p = engine._plan.table.ints
    before = weights(engine).copy()
    start = int(p[Program.BASE_F32] + p[Program.GRADIENT])
    engine._bank.planes.f32[start : start + p[Program.ROWS] * p[Program.OUTPUTS]] = np.inf
    told = feed(engine, noise(2), time=ticks(50, 2))
    assert np.flatnonzero(has(told, m.SKIPPED)).tolist() == [1]
    assert not has(told, m.UPDATED | m.ROLLED_BACK).any()
    assert weights(engine).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    "kind", [spec.Elman, spec.Gru, spec.Lstm, spec.Lru, spec.Conv, spec.Attention], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("series", ["huge", "tiny", "spikes", "jump", "both signs"])
def test_extreme_values_leave_finite_weights(series: str, kind: type[spec.Layer]) -> None:
    random = np.random.default_rng(3)
    ordinary = random.normal(0, 1, 400)
    spikes = ordinary.copy()
    spikes[::7] = 1e12
    values = {
        "huge": 1e30 * (1 + 0.1 * ordinary),
        "tiny": 1e-30 * ordinary,
        "spikes": spikes,
        "jump": np.concatenate([ordinary[:200], 1e30 + ordinary[200:]]),
        "both signs": np.where(np.arange(400) % 2, 1e30, -1e30),
    }[series]
    engine = Engine(tiny(layers=(kind(4),), horizons=(1, 3), experts=None, optimiser=spec.Adam(rate=0.01)), 1)
    told = feed(engine, values)
    assert finite(told)
    assert np.isfinite(weights(engine)).all()
    assert np.isfinite(engine._bank.planes.f32).all()
    assert has(told, m.UPDATED).any()
    assert not has(told, m.SKIPPED | m.ROLLED_BACK).any()
    scores = told.score[np.isfinite(told.score)]
    assert len(scores) > 300
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 5.3, -7.1, 1e-20])
def test_a_constant_series_is_never_anomalous(value: float) -> None:
    engine = Engine(tiny(experts=None), 1)
    told = feed(engine, [value] * 400)
    assert finite(told)
    assert told.forecast[50:, 0, 0, 0] == pytest.approx([value] * 350, rel=1e-12, abs=1e-12)
    assert np.nanmax(told.score) < 0.01
    assert not has(told, m.ANOMALY).any()
    assert np.isfinite(weights(engine)).all()
