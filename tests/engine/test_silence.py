"""A stream that is not heard when it should be: told once, by the clock or by the next observation, to the same end."""

import math
from typing import Any

import numpy as np
import pytest

from streamrnn import events, spec
from streamrnn import messages as m
from streamrnn.engine.engine import Engine
from tests.engine.feed import START, STEP, feed, has, tiny

AFTER = 4.0
COUNT = 60
LAST = START + STEP * (COUNT - 1)
DUE = LAST + AFTER * STEP
QUIET = spec.Anomaly(warmup=50, quiet=3)


def engine(**changes: Any) -> Engine:
    """One that has heard stream "a" COUNT times, a minute apart."""
    one = Engine(tiny(silence=AFTER, monitors=(spec.Conformal(), QUIET), **changes), 2)
    feed(one, np.sin(np.arange(COUNT)))
    return one


def later(one: Engine, *times: float, value: float = 0.0, **columns: Any) -> m.Outcomes:
    return feed(one, [value] * len(times), time=np.array(times), **columns)


def wait(one: Any, name: str = "a") -> Any:
    return one.wait(one.admit([name]))


def test_the_next_observation_tells_of_a_silence_that_nobody_waited_for() -> None:
    told = later(engine(), DUE + 1.0, DUE + 61.0)
    assert has(told, m.SILENCE).tolist() == [True, False]
    assert has(told, m.CLOSED).tolist() == [True, False]
    assert not has(told, m.OPENED).any()
    assert told.event.tolist() == [1, 1]
    assert told.started[0] == DUE


def test_whoever_waits_tells_at_the_deadline_and_ends_in_the_same_state() -> None:
    waited, other = engine(), engine()
    told = wait(waited)
    assert has(told, m.SILENCE).tolist() == [True]
    assert (told.time[0], told.started[0], told.event[0]) == (DUE, DUE, 1)
    assert m.SEVERITIES[told.severity[0]] == "major"
    assert told.expected[0, 0] == waited.outlook("a").forecast[0, 0, 0, 0]
    assert math.isnan(told.actual[0, 0])
    heard = later(waited, DUE + 1.0)
    assert heard.bits[0] | m.SILENCE == later(other, DUE + 1.0).bits[0]
    assert waited.export("a") == other.export("a")


def test_it_is_told_once() -> None:
    one = engine()
    wait(one)
    before = one.export("a")
    assert not has(wait(one), m.SILENCE).any()
    assert one.export("a") == before


@pytest.mark.parametrize("time", [LAST + STEP, DUE])
def test_who_comes_in_time_was_not_silent(time: float) -> None:
    assert not has(later(engine(), time), m.SILENCE).any()


def test_nothing_is_due_before_the_warm_up_without_the_setting_or_after_an_end() -> None:
    new, without, ended = (Engine(tiny(silence=after, monitors=(QUIET,)), 1) for after in (AFTER, 0.0, AFTER))
    feed(new, np.arange(20.0))
    feed(without, np.sin(np.arange(COUNT)))
    feed(ended, np.sin(np.arange(COUNT)), bits=np.where(np.arange(COUNT) == COUNT - 1, m.END, 0))
    for one in (new, without, ended):
        before = one.export("a")
        assert not has(wait(one), m.SILENCE).any()
        assert one.export("a") == before
        assert not has(later(one, DUE + 1e6), m.SILENCE).any()
    assert np.isinf(without.patience(without.outlook("a"))).all()
    assert engine().patience(engine().outlook("a")).tolist() == [AFTER * STEP]


def test_an_open_event_is_taken_over_and_ends_with_the_silence() -> None:
    one = engine()
    spike = later(one, LAST + STEP, value=1e6)
    assert has(spike, m.OPENED).all()
    told = wait(one)
    assert (told.event[0], told.started[0]) == (1, LAST + STEP)
    back = later(one, LAST + 10 * STEP)
    assert back.event[0] == 1
    assert has(back, m.CLOSED).all() or back.severity[0] > 0


def test_an_observation_without_its_value_ends_a_silence_too() -> None:
    one = engine()
    wait(one)
    assert has(later(one, DUE + 1.0, value=math.nan), m.CLOSED).all()
    assert not has(later(one, DUE + 61.0), m.CLOSED | m.OPENED).any()


def test_labels_that_do_not_come_keep_no_silence_open() -> None:
    one = Engine(tiny(task="label", silence=AFTER, monitors=(spec.Conformal(), QUIET)), 1)
    feed(one, np.sin(np.arange(COUNT)), label=np.cos(np.arange(COUNT)))
    wait(one)
    assert has(later(one, DUE + 1.0), m.CLOSED).all()


@pytest.mark.parametrize("weights", ["per_stream", "pooled"])
def test_events_are_due_at_the_predicted_time(weights: str) -> None:
    model = spec.Model(
        task="events", preset="light", weights=weights, silence=2.0, monitors=(spec.Anomaly(warmup=50),),
        vocabulary=spec.Vocabulary(symbols=8, shown=2),
    )  # fmt: skip
    waited, other = Engine(model, 1), Engine(model, 1)
    time = START + np.cumsum(np.random.default_rng(1).lognormal(0.0, 0.3, 200))
    for one in (waited, other):
        told = one.step(events(["a"] * 200, list("abcd" * 50), time), one.admit(["a"] * 200))
        assert not (told.bits & m.SILENCE).any()
    predicted = waited.outlook("a")
    told = wait(waited)
    due = time[-1] + 2.0 * (predicted.overdue[0] - time[-1])
    assert told.bits[0] & m.SILENCE
    assert (told.time[0], waited.symbol(0, int(told.predicted[0]))) == (due, "a")
    assert waited.patience(predicted)[0] == pytest.approx(due - time[-1])
    for one in (waited, other):
        back = one.step(events(["a"], ["a"], np.array([due + 1.0])), one.admit(["a"]))
        assert not back.bits[0] & m.OPENED
    assert waited.export("a") == other.export("a")
