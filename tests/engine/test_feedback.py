"""What somebody says of an alarm."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import messages as m
from streamrnn.engine.engine import Engine
from streamrnn.kernels.core.layout import Feedback
from streamrnn.kernels.monitors import feedback
from tests.engine.feed import START, STEP, batch, feed, has, join, part, same, step, tiny
from tests.naive import feedback as naive

SPIKES = (400, 700, 1000, 1300)


def spiky(seed: int = 1, n: int = 1500) -> Any:
    values = np.random.default_rng(seed).normal(0, 1, n)
    values[list(SPIKES)] = 60.0
    return values


def times(start: int, end: int) -> Any:
    return START + STEP * np.arange(start, end)


def say(engine: Engine, verdict: str, number: int, until: float = 0.0) -> m.Outcomes:
    return step(engine, batch(["a"], [np.nan], bits=[m.WORDS[verdict]], ident=[number], time=[until]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(-1, 6), st.sampled_from(list(m.WORDS))), max_size=30))
def test_the_rate_is_that_of_the_twin(said: list[tuple[int, str]]) -> None:
    own = np.zeros(Feedback.WIDTH, np.int64)
    for event, word in said:
        bits = feedback.take(own, 5, m.WORDS[word], event, 7.0)
        assert bits == (m.JUDGED if 1 <= event <= 5 else m.UNJUDGED)
    assert own[Feedback.STEPS] == naive.steps(said, 5)
    assert feedback.factor(own[Feedback.STEPS]) == pytest.approx(naive.rate(1.0, int(own[Feedback.STEPS])))


def test_a_false_alarm_raises_the_threshold_and_a_true_one_lowers_it() -> None:
    values, scores = spiky(), {}
    for verdict in ("", "false_alarm", "true_alarm"):
        engine = Engine(tiny(), 1)
        told = feed(engine, values[:500])
        event = int(told.event[-1])
        assert told.feedback_verdict[-1] == 0
        if verdict:
            assert has(say(engine, verdict, event), m.JUDGED).all()
        scores[verdict] = feed(engine, values[500:700], time=times(500, 700)).score
    assert np.median(scores["false_alarm"]) < np.median(scores[""]) < np.median(scores["true_alarm"])


def test_nothing_alarms_until_the_time_that_was_said_and_something_does_after() -> None:
    engine, values = Engine(tiny(), 1), spiky()
    feed(engine, values[:500])
    say(engine, "ignore", 1, START + STEP * 1200)
    told = feed(engine, values[500:], time=times(500, 1500))
    opened = np.flatnonzero(has(told, m.OPENED)) + 500
    assert SPIKES[3] in opened
    assert (opened >= 1200).all()
    assert told.feedback_event[-1] == 1
    assert told.feedback_verdict[-1] == m.IGNORE
    assert told.ignored_until[-1] == START + STEP * 1200


def test_feedback_moves_nothing_but_the_alarms_and_is_answered_by_a_bit_alone() -> None:
    values, plain, judged = spiky(), Engine(tiny(), 1), Engine(tiny(), 1)
    one = feed(plain, values[:600])
    two = join([feed(judged, values[:500]), say(judged, "ignore", 1, START)])
    assert two.seq[-1] == 500
    assert has(two, m.JUDGED)[-1]
    assert has(say(judged, "true_alarm", 99), m.UNJUDGED).all()
    rest = feed(judged, values[500:600], time=times(500, 600))
    assert rest.forecast.tobytes() == one.forecast[500:].tobytes()


def test_it_is_a_function_of_the_stream_s_own_messages_over_batches_and_restarts() -> None:
    values, n = spiky(), 1500
    places, words = [450, 750, 760, 1100], ["false_alarm", "true_alarm", "ignore", "false_alarm"]
    time, bits, ident = list(times(0, n)), [0] * n, [0] * n
    series = values.tolist()
    for place, word, number in reversed(list(zip(places, words, [1, 2, 2, 3], strict=True))):
        series.insert(place, np.nan)
        time.insert(place, START + STEP * 900 if word == "ignore" else time[place])
        bits.insert(place, m.WORDS[word])
        ident.insert(place, number)
    made = batch(["a"] * len(series), series, time=time, bits=bits, ident=ident)
    whole = Engine(tiny(), 1)
    one, told, engine = step(whole, made), [], Engine(tiny(), 1)
    for start, end in ((0, 451), (451, 752), (752, 1000), (1000, len(series))):
        again = Engine(tiny(), 1)
        if start:
            again.restore("a", engine.export("a"), engine.layout)
        engine = again
        told.append(step(engine, part(made, start, end)))
    same(one, join(told))
    assert whole.export("a") == engine.export("a")
