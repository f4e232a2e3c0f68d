"""A fresh model beside the one that serves: it takes over when it is better, is withdrawn when it is not."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from streamrnn import messages as m
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from tests.engine.feed import START, STEP, batch, feed, has, join, part, same, step, tiny
from tests.engine.test_drift import turned

SLOW = (spec.Last(), spec.Linear("lags", lags=11, forget=1.0))  # forgets nothing, so a fresh one is better


def model(*reactions: Any, experts: Any = SLOW, **changes: Any) -> spec.Model:
    return tiny(drift=spec.Drift(reactions=reactions), experts=experts, **changes)


def scattered(seed: int, n: int = 4500) -> Any:
    """Noise that becomes wilder: nobody can predict it better than another."""
    values = np.random.default_rng(seed).normal(0, 1, n)
    values[1500:] *= 2
    return values


@pytest.fixture(scope="module")
def served() -> tuple[Engine, m.Outcomes]:
    engine = Engine(model("challenger"), 1)
    return engine, feed(engine, turned(4))


def test_a_challenger_takes_over_once_and_the_forecasts_are_better(served: tuple[Engine, m.Outcomes]) -> None:
    told, alone = served[1], feed(Engine(model(), 1), turned(4))
    drift, over = (np.flatnonzero(has(told, bit)) for bit in (m.DRIFT_FOUND, m.TOOK_OVER))
    assert len(over) == 1
    before = drift[drift < over[0]][-1]
    assert 150 <= over[0] - before <= 600
    error, other = (np.abs(each.expected - each.actual)[over[0] + 1 : over[0] + 501].mean() for each in (told, alone))
    assert error < 0.95 * other
    number, since = told.drift[over[0], 4], told.drift[over[0], 1]
    assert since == told.time[before]
    assert number == len(drift[drift < over[0]]) + 1
    assert told.drift[over[0], 3] < 0.95 * told.drift[over[0], 2]
    assert (np.diff(told.seq) == 1).all()
    assert (np.diff(told.event) >= 0).all()


def test_until_it_takes_over_the_forecasts_are_those_of_the_champion(served: tuple[Engine, m.Outcomes]) -> None:
    told, alone = served[1], feed(Engine(model(), 1), turned(4))
    over = int(np.flatnonzero(has(told, m.TOOK_OVER))[0])
    assert told.forecast[:over].tobytes() == alone.forecast[:over].tobytes()


def test_one_that_is_no_better_is_withdrawn() -> None:
    told = feed(Engine(model("challenger", experts=(spec.Last(),)), 1), scattered(2))
    drift, end = np.flatnonzero(has(told, m.DRIFT_FOUND)), np.flatnonzero(has(told, m.WITHDRAWN))
    assert not has(told, m.TOOK_OVER).any()
    assert len(end) == 1
    assert 2000 <= end[0] - drift[drift < end[0]][-1] <= 2200


def test_it_is_a_function_of_the_stream_s_own_messages_over_batches_and_restarts(
    served: tuple[Engine, m.Outcomes],
) -> None:
    made, (whole, one) = batch(["a"] * 4000, turned(4)), served
    over = int(np.flatnonzero(has(one, m.TOOK_OVER))[0])
    told, engine = [], Engine(whole.model, 2)
    for start, end in pairwise([0, 500, over - 100, over - 1, over, over + 1, 4000]):
        again = Engine(whole.model, 2)
        again.admit(["b"])
        if start:
            again.restore("a", engine.export("a"), engine.layout)
        engine = again
        told.append(step(engine, part(made, start, end)))
    same(one, join(told))
    assert whole.export("a") == engine.export("a")


def test_feedback_and_events_outlive_the_change(served: tuple[Engine, m.Outcomes]) -> None:
    over = int(np.flatnonzero(has(served[1], m.TOOK_OVER))[0])
    engine, values = Engine(model("challenger"), 1), turned(4).copy()
    values[over - 200] += 30.0 * np.std(values[: over - 200])  # an event, whatever the stream brings by itself
    first = feed(engine, values[: over - 50])
    number = int(first.event[-1])
    assert number > 0
    step(engine, batch(["a"], [np.nan], bits=[m.FALSE_ALARM], ident=[number]))
    rest = feed(engine, values[over - 50 :], time=START + STEP * np.arange(over - 50, 4000))
    assert has(rest, m.TOOK_OVER).any()
    assert rest.feedback_event[-1] == number
    assert rest.alert_rate_halvings[-1] == 2
    assert (rest.event >= number).all()


def test_a_row_has_two_halves_only_where_it_is_asked_for() -> None:
    plain, twice = Engine(model(), 1).bytes_per_stream, Engine(model("challenger"), 1).bytes_per_stream
    assert 2 * plain <= twice <= 2 * plain + 400


def test_pooled_weights_have_no_challenger() -> None:
    with pytest.raises(ConfigError, match="pooled"):
        Engine(model("challenger", weights="pooled"), 1)
