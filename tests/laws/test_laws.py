"""What holds for every sequence of messages."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.messages import Batch
from tests.engine.feed import START, STEP, batch, feed, has, join, part, pick, same, step, tiny

FORECAST = tiny(features=("x", "y"), layers=(spec.Gru(5), spec.Elman(3)), experts=None, horizons=(1, 3))
LABEL = tiny(features=("x", "y"), layers=(spec.Lstm(5),), task="label", label_memory=8)
FORWARD = tiny(features=("x", "y"), layers=(spec.Lru(4), spec.Gru(3)), rule=spec.Snap1(2), horizons=(1, 3))
DROPOUT = tiny(
    features=("x", "y"),
    layers=(spec.Gru(5), spec.Dropout(0.3), spec.Elman(3)),
    rule=spec.Tbptt(5, 2, recompute=True),
    gate=False,
)
MODELS = [FORECAST, LABEL, FORWARD, DROPOUT]
NAMES = ["a", "b", "c"]
REPEATABLE = settings(max_examples=15, deadline=None, derandomize=True)


@st.composite
def messages(draw: Any, most: int = 80) -> Batch:
    """Interleaved streams with gaps, late and doubled messages, missing values, ends and late labels."""
    n = draw(st.integers(1, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.normal(0, 10.0 ** random.integers(-2, 4), (n, 2))
    values[random.random((n, 2)) < 0.1] = np.nan
    label = np.where(random.random(n) < 0.5, random.normal(0, 1, n), np.nan)
    bits = np.where(random.random(n) < 0.05, m.END, 0)
    late = random.random(n) < 0.15
    return batch(
        [NAMES[i] for i in random.integers(0, 3, n)],
        values,
        time=START + STEP * np.cumsum(random.choice([0, 1, 1, 1, 1, 2, 9, -2], n)),
        seq=np.where(random.random(n) < 0.8, np.arange(n) - random.integers(0, 3, n), -1).clip(-1),
        label=np.where(late & np.isnan(label), 1.0, label),
        ident=random.integers(1, 12, n),
        bits=np.where(late, m.LABEL_ONLY, bits),
    )


def suited(model: spec.Model, made: Batch) -> Batch:
    """Labels on their own exist in the label task only."""
    if model.task == "forecast":
        made.bits[made.bits == m.LABEL_ONLY] = 0
    return made


@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
@REPEATABLE
@given(data=st.data())
def test_batching_does_not_matter(model: spec.Model, data: st.DataObject) -> None:
    made = suited(model, data.draw(messages()))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(made)), max_size=10)) | {0, len(made)})
    whole, parts = Engine(model, 3), Engine(model, 3)
    one = step(whole, made)
    two = join([step(parts, part(made, a, b)) for a, b in itertools.pairwise(cuts)] or [one])
    same(one, two, but=())
    assert [whole.export(name) for name in whole.names] == [parts.export(name) for name in parts.names]


@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
@REPEATABLE
@given(data=st.data())
def test_other_streams_do_not_matter(model: spec.Model, data: st.DataObject) -> None:
    made = suited(model, data.draw(messages()))
    engine = Engine(model, 3)
    told = step(engine, made)
    for name in engine.names:
        rows = np.array([place for place, other in enumerate(made.names) if other == name])
        alone = Engine(model, 1)
        columns = {title: getattr(made, title)[rows] for title in ("time", "label", "ident", "seq", "bits")}
        same(pick(told, rows), step(alone, batch([name] * len(rows), made.values[rows], **columns)))
        assert engine.export(name) == alone.export(name)


@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
@REPEATABLE
@given(data=st.data())
def test_a_restart_does_not_matter(model: spec.Model, data: st.DataObject) -> None:
    made = suited(model, data.draw(messages()))
    cut = data.draw(st.integers(0, len(made)))
    engine, fresh = Engine(model, 3), Engine(model, 3)
    step(engine, part(made, 0, cut))
    for name in reversed(engine.names):  # rows come back in another order
        assert fresh.restore(name, engine.export(name), engine.layout) == []
    rest = part(made, cut, len(made))
    same(step(engine, rest), step(fresh, rest))
    assert [engine.export(name) for name in engine.names] == [fresh.export(name) for name in engine.names]


@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
@REPEATABLE
@given(data=st.data())
def test_looking_changes_nothing_and_tells_the_last_outcome(model: spec.Model, data: st.DataObject) -> None:
    made = suited(model, data.draw(messages()))
    engine = Engine(model, 3)
    told = step(engine, made)
    before = [engine.export(name) for name in engine.names]
    for name in engine.names:
        last = max(place for place, other in enumerate(made.names) if other == name)
        looked = engine.outlook(name)
        assert looked is not None
        same(looked, pick(told, [last]), but=("bits", "sequence_gap"))
    engine.health()
    assert [engine.export(name) for name in engine.names] == before


@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
@REPEATABLE
@given(data=st.data())
def test_every_outcome_says_what_became_of_its_message(model: spec.Model, data: st.DataObject) -> None:
    made = suited(model, data.draw(messages()))
    told = step(Engine(model, 3), made)
    fates = [m.LEARNED, m.LATE, m.DUPLICATE, m.UNMATCHED, m.SETTLED]
    assert (sum(has(told, fate).astype(int) for fate in fates) == 1).all()
    known = np.isfinite(told.score)
    assert ((told.score[known] >= 0) & (told.score[known] <= 1)).all()
    assert not np.isinf(told.forecast).any()


@REPEATABLE
@given(st.integers(20, 79), st.floats(-1e6, 1e6), st.integers(0, 2**32 - 1))
def test_forecasts_do_not_know_the_future(cut: int, other: float, seed: int) -> None:
    """Test, then train: everything that was said before `cut` is the same whatever comes at `cut` and after."""
    values = np.random.default_rng(seed).normal(0, 1, (80, 2))
    changed = values.copy()
    changed[cut:] += other + 1e7
    one, two = (feed(Engine(FORECAST, 1), series) for series in (values, changed))
    same(pick(one, slice(0, cut)), pick(two, slice(0, cut)), but=())
    assert one.expected[cut].tobytes() == two.expected[cut].tobytes()
    assert (one.forecast[cut] != two.forecast[cut]).any()


@REPEATABLE
@given(st.integers(0, 2**32 - 1))
def test_scores_come_before_learning(seed: int) -> None:
    """At an observation with an update and without one, the score and what was expected are the same bits."""
    values = np.random.default_rng(seed).normal(0, 1, 64)
    learns, waits = Engine(tiny(rule=spec.Tbptt(4, 16)), 1), Engine(tiny(rule=spec.Tbptt(4, 16)), 1)
    feed(learns, values[:63])
    feed(waits, values[:63])
    bits = [m.END]  # an end brings the update forward
    one = feed(learns, values[62:63] + 1, time=[START + 63 * STEP], bits=bits)
    two = feed(waits, values[62:63] + 1, time=[START + 63 * STEP])
    assert has(one, m.UPDATED).all()
    for name in ("score", "tail", "expected", "attribution", "severity"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("model", MODELS, ids=["forecast", "label", "forward", "dropout"])
def test_threads_do_not_matter(model: spec.Model, threads: int) -> None:
    names = [f"stream {number}" for number in range(17)]
    random = np.random.default_rng(threads)
    one, many = Engine(model, 17), Engine(model, 17, threads=threads)
    for turn in range(6):
        size = (300, 5, 64, 63, 200, 1)[turn]  # both sides of what is worth sharing
        columns = {"time": START + STEP * (100 * turn + np.arange(size)), "label": random.normal(0, 1, size)}
        made = batch([names[i] for i in random.integers(0, 17, size)], random.normal(0, 1, (size, 2)), **columns)
        same(step(one, made), step(many, made), but=())
    assert [one.export(name) for name in one.names] == [many.export(name) for name in many.names]


def test_a_thousand_streams_in_one_engine_are_each_as_if_alone() -> None:
    model = tiny(preset="light", layers=(spec.Elman(4),), experts=None, monitors=(spec.Anomaly(warmup=10),))
    names = [f"stream {number}" for number in range(1000)]
    random = np.random.default_rng(1)
    values = random.normal(0, 1, (20, 1000)) * random.uniform(0.1, 1e3, 1000) + 5
    order = np.argsort(random.random(20 * 1000) + 0.02 * np.repeat(np.arange(20), 1000), kind="stable")
    stream = order % 1000
    turn = np.zeros(20_000, np.int64)
    seen = np.zeros(1000, np.int64)
    for place, number in enumerate(stream):  # each stream's own messages stay in order
        turn[place] = seen[number]
        seen[number] += 1
    engine = Engine(model, 1000)
    made = batch([names[number] for number in stream], values[turn, stream], time=START + STEP * turn)
    told = join([step(engine, part(made, start, start + 777)) for start in range(0, 20_000, 777)])
    assert has(told, m.UPDATED).sum() > 1000
    for number, name in enumerate(names):
        alone = Engine(model, 1)
        same(pick(told, stream == number), feed(alone, values[:, number], name=name))
        assert engine.export(name) == alone.export(name)
