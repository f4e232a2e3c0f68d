"""Task "events" frozen: normal sessions are learned, then others judged, and nothing moves. And feedback on alarms."""

from typing import Any

import numpy as np
import pytest

from streamrnn import Engine, events, spec
from streamrnn import messages as m
from streamrnn.kernels.core.layout import Running
from streamrnn.kernels.core.program import Program

NORMAL = [["open", "read", "read", "close"], ["open", "write", "close"], ["open", "read", "write", "close"]]
STRANGE = [["open", "close", "read", "read"], ["read", "open", "panic"], ["write", "write", "write", "write", "open"]]


def model(weights: Any) -> spec.Model:
    """Small, and soon warm."""
    return spec.Model(
        task="events",
        preset="light",
        layers=(spec.Embedding(4), spec.Gru(8)),
        weights=weights,
        vocabulary=spec.Vocabulary(16, alert_rate=0.01),
        monitors=(spec.Anomaly(warmup=50),),
    )


def feed(engine: Engine, sessions: list[list[str]], name: str, start: float = 0.0) -> Any:
    """Sessions one after the other, a second an event; with pooled weights each is a stream of its own."""
    each = [(i, symbol, at == len(one) - 1) for i, one in enumerate(sessions) for at, symbol in enumerate(one)]
    pooled = engine.model.weights == "pooled"
    names = [f"{name}-{i}" if pooled else "a" for i, _, _ in each]
    made = events(names, [s for _, s, _ in each], start + np.arange(len(each)), end=[end for _, _, end in each])
    return engine.step(made, engine.admit(names))


def learned(engine: Engine, name: str) -> list[bytes]:
    """Weights, tables, vocabulary and what is usual; not the running figures, which are published."""
    plan, planes = engine._plan, engine._bank.planes
    p = plan.table.ints
    width, count = int(p[Program.BASE_F32]) or plan.learned.width, int(p[Program.BASE_I64]) or plan.counts.width
    first = planes.learned[:width].copy()
    start = int(p[Program.RUNNING])
    first[start : start + plan.sizes.members + Running.WIDTH] = 0.0
    return [first.tobytes(), planes.counts[:count].tobytes()]


@pytest.mark.parametrize("weights", ["per_stream", "pooled"])
def test_a_frozen_model_judges_sessions_and_learns_nothing(weights: str) -> None:
    random = np.random.default_rng(1)
    engine = Engine(model(weights), 1000)
    feed(engine, [NORMAL[i] for i in random.integers(0, 3, 300)], "normal")
    before = learned(engine, "a")
    engine.frozen = True
    usual = feed(engine, [NORMAL[i] for i in random.integers(0, 3, 100)], "more", 1e6)
    strange = feed(engine, STRANGE * 5, "strange", 2e6)
    assert learned(engine, "a") == before
    assert (usual.bits & m.FROZEN != 0).all()
    assert (usual.bits & (m.LEARNED | m.UPDATED) == 0).all()
    assert (strange.admitted == 0).all()
    ends = strange.session_score[~np.isnan(strange.session_score)]
    assert (ends >= 0.5).mean() > 0.9
    assert np.nanmean(usual.session_score >= 0.5) < 0.05
    assert (strange.bits & m.STRANGE != 0).sum() == (ends >= 0.5).sum()
    engine.frozen = False
    again = feed(engine, STRANGE, "again", 3e6)
    assert again.bits[-1] & m.LEARNED
    assert learned(engine, "a") != before


def test_a_model_that_is_frozen_from_the_start_says_unseen() -> None:
    engine = Engine(spec.Model(task="events", preset="light", frozen=True), 1)
    told = feed(engine, NORMAL, "a")
    assert (told.symbol == 0).all()
    assert np.isfinite(told.surprise).all()


def surprised(engine: Engine) -> Any:
    """A stream whose latest symbol is an alarm."""
    random = np.random.default_rng(2)
    feed(engine, [[*"abc"] * 2 for _ in random.integers(0, 3, 200)], "a")
    return feed(engine, [["a", "b", "zzz"]], "a", 1e6)


def verdict(engine: Engine, number: int, bit: int, time: float = 0.0) -> Any:
    """Somebody speaks of the event of that number."""
    nothing = np.full(1, np.nan)
    said = m.Batch(["a"], np.ones(1, np.int64), [False], np.array([time]), np.empty((1, 0)), nothing,
                   np.array([number]), np.array([-1]), np.array([bit]))  # fmt: skip
    return engine.step(said, engine.admit(["a"]))


def test_feedback_moves_the_threshold_of_events_and_can_silence_them() -> None:
    engine, other = Engine(model("per_stream"), 1), Engine(model("per_stream"), 1)
    told = surprised(engine)
    number = int(told.event[-1])
    assert number >= 1
    assert surprised(other).score.tolist() == told.score.tolist()
    said = verdict(engine, number, m.FALSE_ALARM)
    assert said.bits[0] & m.JUDGED
    assert (said.feedback_event[0], said.feedback_verdict[0], said.alert_rate_halvings[0]) == (
        number, m.FALSE_ALARM, 2,
    )  # fmt: skip
    assert verdict(engine, number + 5, m.TRUE_ALARM).bits[0] & m.UNJUDGED
    less, same = (feed(each, [["a", "b", "yyy"]], "a", 2e6) for each in (engine, other))
    assert less.tail[-1] == same.tail[-1]
    assert less.score[-1] < same.score[-1]
    verdict(engine, number, m.IGNORE, 1e9)
    muted = feed(engine, [["a", "b", "xxx"]], "a", 3e6)
    assert not (muted.bits & (m.OPENED | m.ANOMALY | m.STRANGE)).any()
