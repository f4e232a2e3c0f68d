"""Every key of a model with every task: it changes what comes out, or it is refused with a hint. None is ignored."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import fields, replace

import streamrnn
from streamrnn import Engine, spec
from streamrnn.config import schema, validate
from streamrnn.errors import ConfigError
from streamrnn.model.covariates import Zone

TASKS = ("forecast", "label", "events")
LENGTH = 700
PERIOD = 900.0
BERLIN = Zone(np.array([0.0]), np.array([3600.0]))
EARLY = (spec.Conformal(), spec.Anomaly(warmup=50))
FORECAST = spec.Model(
    features=("x", "y"),
    layers=(spec.Gru(4),),
    experts=(spec.Last(), spec.Seasonal(), spec.Linear("lags", lags=3)),
    history=64,
    horizons=(1, 3),
    monitors=EARLY,
)
BASE = {
    "forecast": FORECAST,
    "label": replace(FORECAST, task="label", experts=(spec.Last(),), history=None, horizons=(1,)),
    "events": spec.Model(
        task="events",
        features=("x", "y"),
        layers=(spec.Embedding(3), spec.Gru(4)),
        experts=(spec.Context(2, 16),),
        vocabulary=spec.Vocabulary(16, alert_rate=0.05),
        monitors=EARLY,
    ),
}
MARKS = {"x": spec.Feature(valid=(-0.5, 0.5))}
CHANGES: dict[str, list[Any]] = {
    "features": [("x",)],
    "feature": [
        MARKS,
        {"x": spec.Feature(lower=0.0)},
        {"y": spec.Feature(upper=0.0)},
        {"x": spec.Feature(direction="up")},
        {"x": spec.Feature(least=1.0)},
        {"x": spec.Feature(mute=("00:00-24:00",))},
        {"x": spec.Feature(known_future=True)},
    ],
    "targets": [("y",)],
    "horizons": [(1, 2)],
    "preset": ["light"],
    "layers": [(spec.Gru(5),), (spec.Embedding(4), spec.Gru(4)), (spec.Gru(4), spec.Dropout(0.2))],
    "experts": [(spec.Last(), spec.Level()), (spec.Context(3, 16),)],
    "seasons": [(PERIOD,)],
    "history": [3],
    "gate": [False, True],
    "rule": [spec.Tbptt(8, 8), spec.Tbptt(8, 8, recompute=True), spec.Snap1(4), spec.Rtrl(4), spec.Immediate(4)],
    "inputs": [("value",)],
    "corrects": ["last", "mean"],
    "head": [spec.Student(), spec.Binary(), spec.Quantile()],
    "vocabulary": [spec.Vocabulary(12), spec.Vocabulary(16, shown=3), spec.Vocabulary(16, alert_rate=0.2)],
    "optimiser": [
        spec.Sgd(),
        spec.RmsProp(),
        spec.Obgd(),
        spec.Ekf(),
        spec.Adam(rate=1e-2),
        spec.Adam(clip=1e-3),
        spec.Adam(schedule="sqrt", period=10),
    ],
    "monitors": [
        (spec.Conformal(level=0.5), EARLY[1]),
        (spec.Conformal(hours=0), EARLY[1]),
        (*EARLY, spec.Mean()),
        (*EARLY, spec.Hours()),
        (*EARLY, spec.Flat()),
        (EARLY[0], spec.Anomaly(warmup=60)),
        (EARLY[0], spec.Anomaly(warmup=50, quiet=1)),
        (EARLY[0], spec.Anomaly(warmup=50, holdoff=0)),
        (EARLY[0], spec.Anomaly(warmup=50, alerts_per_week=100.0)),
    ],
    "drift": [spec.Drift()],
    "weights": ["pooled"],
    "timezone": ["Europe/Berlin"],
    "frozen": [True],
    "half_life": [3.0],
    "silence": [3.0],
    "steps": ["observations"],
    "scale_rate": [0.1],
    "label_memory": [4],
    "seed": [2],
}
SAME = [("forecast", "gate", True), ("label", "gate", False)]  # what it is without the key too
ELSEWHERE = {"task": "it is what is varied", "prior": "needs a file: test_prior", "lateness": "see below"}


def fed(model: spec.Model) -> list[bytes]:
    """What an engine of the model says of two streams of uneven steps, gaps and shocks, and what it keeps of them."""
    engine = Engine(model, 2, zone=BERLIN)
    random, names = np.random.default_rng(5), ["a", "b"] * (LENGTH // 2)
    steps = np.where(random.random(LENGTH) < 0.02, 4000.0, PERIOD / 12)
    time = 1.7e9 + np.cumsum(steps)
    values = np.sin(np.arange(LENGTH)[:, None] / 5.0 + np.arange(len(model.features))) + random.normal(
        0.0, 0.1, (LENGTH, len(model.features))
    )
    values[400:404] += 30.0
    values[500:, 0] += 3.0
    if model.task == "events":
        symbols = random.choice(14, LENGTH, p=np.arange(14, 0, -1) / 105).tolist()
        made = streamrnn.events(names, symbols, time, values=values, end=random.random(LENGTH) < 0.1)
    else:
        label = values[:, 0] - random.normal(0.0, 0.1, LENGTH) if model.task == "label" else None
        made = streamrnn.batch(names, values, time, label=label)
    told = engine.step(made, engine.admit(names))
    kept = [str(engine.frozen).encode(), str((engine.targets, engine.horizons, engine.shown)).encode()]
    return [*kept, engine.patience(told).tobytes(), told.ints.tobytes(), told.reals.tobytes(), engine.export("a")]


def test_every_key_is_tried() -> None:
    assert {each.name for each in fields(spec.Model)} == set(CHANGES) | set(ELSEWHERE)


@pytest.mark.parametrize("task", TASKS)
def test_every_key_has_an_effect_or_is_refused_with_a_hint(task: str) -> None:
    usual = fed(BASE[task])
    for key, values in CHANGES.items():
        base, before = BASE[task], usual
        if key == "preset":  # it is about the parts that a model does not name
            base = replace(base, layers=None, experts=None)
            before = fed(base)
        for value in values:
            if value == getattr(base, key) or (task, key, value) in SAME:
                continue
            try:
                after = fed(replace(base, **{key: value}))
            except ConfigError as error:
                assert error.hint, (key, value)
                named = key.split("_")[0].rstrip("s") in str(error) or key in ("layers", "rule", "optimiser")
                assert named, (key, str(error))
            else:
                assert before != after, f"{key} = {value!r} is ignored with task {task!r}"


@pytest.mark.parametrize("task", ["label", "events"])
def test_lateness_is_refused_where_it_would_change_nothing(task: str) -> None:
    config = schema.Config(model=replace(BASE[task], lateness=60.0))
    with pytest.raises(ConfigError, match="lateness") as raised:
        validate.refuse(config)
    assert raised.value.hint


@pytest.mark.parametrize("task", TASKS)
def test_threads_change_nothing_but_the_time(task: str) -> None:
    model = BASE[task]
    made = [Engine(model, 4, threads=threads) for threads in (1, 3)]
    names = [f"stream-{i % 4}" for i in range(400)]
    if task == "events":
        batch = streamrnn.events(names, [i * i % 7 for i in range(400)], values=np.ones((400, 2)))
    else:
        batch = streamrnn.batch(names, np.random.default_rng(1).normal(size=(400, 2)), np.arange(400.0))
    one, many = (engine.step(batch, engine.admit(names)) for engine in made)
    assert one.ints.tobytes() == many.ints.tobytes()
    assert one.reals.tobytes() == many.reals.tobytes()
    assert [made[0].export(name) for name in made[0].names] == [made[1].export(name) for name in made[1].names]
