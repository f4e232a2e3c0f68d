"""A frozen model predicts and judges, and learns nothing."""

from typing import Any

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import ForecastLatest, MonitorState, Scale, Stats, Target, Watch
from streamrnn.kernels.core.program import Expert, Monitor, Program
from tests.engine.feed import START, STEP, batch, feed, has, real, same, step, tiny, weights

LEARNED = ("SCALE", "EXPERT", "MIX", "STATS", "WATCH", "MONITOR")  # parts of the f64 row that nothing may move


def models() -> list[spec.Model]:
    experts = (spec.Last(), spec.Seasonal(), spec.Profile(), spec.Linear("calendar", lags=5), spec.Level())
    monitors = (spec.Residual(), spec.Mean(), spec.Hours(), spec.Anomaly())
    return [
        tiny(experts=experts, monitors=monitors, horizons=(1, 3), gate=True),
        tiny(layers=(spec.Lru(4),), rule=spec.Rtrl(1), horizons=(1, 2)),
        tiny(rule=spec.Tbptt(4, 2, recompute=True)),
    ]


def values(n: int, seed: int = 1) -> Any:
    t = np.arange(n)
    return np.sin(t / 7.0) + np.random.default_rng(seed).normal(0, 0.2, n)


def times(start: int, n: int) -> Any:
    return START + STEP * np.arange(start, start + n)


def learned(engine: Engine) -> list[bytes]:
    """Everything that may not move, but the running figures that are published and the running means of the errors."""
    p, sizes = engine._plan.table.ints, engine._plan.sizes
    lengths = {
        "SCALE": len(sizes.model.features) * Scale.WIDTH,
        "EXPERT": int(p[Program.EXPERT_LENGTH]),
        "MIX": len(sizes.horizons) * int(p[Program.MIX_WIDTH]),
        "STATS": Stats.COUNT,
        "WATCH": Watch.WIDTH,
        "MONITOR": int(p[Program.MONITOR_LENGTH]),
    }
    parts = {name: real(engine, getattr(Program, name), length).copy() for name, length in lengths.items()}
    latest = [
        Scale.LAST,
        Scale.SCALED,
        Scale.RAW,
        Scale.WIDEST,
        Scale.LEARNED,
    ]  # what doubt rests on
    parts["SCALE"].reshape(-1, Scale.WIDTH)[:, latest] = 0.0
    for row in engine._plan.table.monitors:
        parts["MONITOR"][int(row[Monitor.STATE]) : int(row[Monitor.STATE]) + MonitorState.TAILS] = 0.0
    target = real(engine, Program.TARGET, Target.WIDTH)[[Target.MEAN, Target.VARIANCE, Target.COUNT]]
    gains = _gains(engine)
    parts["EXPERT"][gains] = 0.0
    offset = real(engine, Program.LATEST, ForecastLatest.TARGETS)[ForecastLatest.OFFSET]
    whole = engine._bank.planes.learned[: int(p[Program.BASE_F32])]
    return [*(part.tobytes() for part in parts.values()), target.tobytes(), offset.tobytes(), whole.tobytes()]


def _gains(engine: Engine) -> Any:
    """Where the gains of kept rows stand: of rows, not of what was learned."""
    past, found = engine._plan.sizes.past, np.zeros(int(engine._plan.table.ints[Program.EXPERT_LENGTH]), bool)
    for row, expert in zip(engine._plan.table.experts, engine._plan.sizes.experts, strict=True):
        if isinstance(expert, spec.Linear):
            n = int(row[Expert.SHAPE + 1])
            blocks = n // 4
            start = int(row[Expert.STATE]) + 4 * (n * blocks - 2 * blocks * (blocks - 1)) + n
            start += len(engine.horizons) * (1 + n)
            found[start : start + past.rows * n] = True
    return found


@pytest.mark.parametrize("model", models(), ids=range(3))
def test_nothing_moves_while_it_is_frozen(model: spec.Model) -> None:
    engine = Engine(model, 1)
    feed(engine, values(500), time=times(0, 500))
    before = learned(engine)
    engine.frozen = True
    told = feed(engine, values(300, 2), time=times(500, 300))
    assert has(told, m.FROZEN).all()
    assert not has(told, m.LEARNED | m.UPDATED | m.HELD_OFF).any()
    assert learned(engine) == before
    moved = told.forecast[:, 0, 0, 0]
    assert len(set(moved.tolist())) > 200
    assert not np.isnan(told.forecast).any()
    engine.frozen = False
    assert has(feed(engine, values(50, 3), time=times(800, 50)), m.LEARNED).all()
    assert learned(engine) != before
    assert np.isfinite(weights(engine)).all()


@pytest.mark.parametrize("model", models(), ids=range(3))
def test_a_frozen_model_is_judged_and_batching_changes_nothing(model: spec.Model) -> None:
    series = values(600)
    series[550:553] += 30.0
    whole, single = Engine(model, 1), Engine(model, 1)
    for engine in (whole, single):
        feed(engine, series[:500], time=times(0, 500))
        engine.frozen = True
    told = feed(whole, series[500:], time=times(500, 100))
    assert has(told, m.OPENED)[50]
    for i in range(100):
        one = feed(single, series[500 + i : 501 + i], time=times(500 + i, 1))
    same(one, step_back(whole))


def step_back(engine: Engine) -> m.Outcomes:
    told = engine.outlook("a")
    assert told is not None
    told.bits[:] |= m.FROZEN
    return told


def test_figures_go_on_while_it_is_frozen() -> None:
    engine = Engine(tiny(experts=(spec.Last(), spec.Linear("lags", lags=3))), 1)
    feed(engine, values(400), time=times(0, 400))
    good = engine.health()
    engine.frozen = True
    feed(engine, 50.0 * values(400, 2), time=times(400, 400))
    bad = engine.health()
    assert bad.coverage[0] < good.coverage[0] - 0.2
    assert bad.error[0] > 5 * good.error[0]


def test_a_late_label_teaches_nothing_either() -> None:
    engine = Engine(tiny(task="label", monitors=()), 1)
    random = np.random.default_rng(4)
    step(engine, batch(["a"] * 100, random.normal(0, 1, 100), label=random.normal(0, 1, 100)))
    engine.frozen = True
    step(engine, batch(["a"], [1.0], time=[START + STEP * 100], ident=[7]))
    before = learned(engine)
    late = batch(["a"], [np.nan], time=[START + STEP * 100], ident=[7], label=[3.0], bits=[m.LABEL_ONLY])
    assert has(step(engine, late), m.SETTLED).all()
    assert learned(engine) == before


def test_a_model_may_be_frozen_from_the_start() -> None:
    told = feed(Engine(tiny(frozen=True), 1), values(50))
    assert has(told, m.FROZEN).all()
    assert told.forecast[:, 0, 0, 0] == pytest.approx(values(50))
