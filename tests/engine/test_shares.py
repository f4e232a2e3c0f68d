"""Who makes a forecast: the shares of experts and network that are published with it."""

from typing import Any

import numpy as np
import pytest

from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.engine.feed import STEP, feed, tiny

SEASON = 7
EXPERTS = (spec.Last(), spec.Seasonal())


@pytest.mark.parametrize("gate", [False, True])
def test_the_shares_sum_to_1_and_go_to_who_is_right(gate: bool) -> None:
    """First a random walk, on which the last value is right, then a season, which only the seasonal expert knows."""
    random = np.random.default_rng(1)
    season = random.normal(0, 5, SEASON)
    walk = np.cumsum(random.normal(0, 1, 600))
    values = np.concatenate([walk, np.tile(season, 120) + random.normal(0, 0.1, 120 * SEASON)])
    engine = Engine(tiny(experts=EXPERTS, seasons=(SEASON * STEP,), history=16, horizons=(1, 3), gate=gate), 1)
    shares = feed(engine, values).shares[:, 0]
    assert engine.experts == ("last", "seasonal", "network")
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert (shares >= 0.0).all()
    assert shares[599, 1] < 0.05 < 0.2 < shares[599, 0]
    assert shares[-1, 0] < 0.1 < 0.8 < shares[-1, 1:].sum()


def test_without_a_network_that_counts_the_shares_make_the_forecast() -> None:
    """A rate of almost nothing leaves the network at zero: it corrects by zero, and the experts are all there is."""
    random = np.random.default_rng(2)
    values = np.tile(random.normal(0, 5, SEASON), 60) + np.cumsum(random.normal(0, 1, 60 * SEASON))
    idle: dict[str, Any] = {"gate": False, "optimiser": spec.Sgd(rate=1e-12), "monitors": (spec.Anomaly(holdoff=0),)}
    model = tiny(experts=EXPERTS, seasons=(SEASON * STEP,), history=16, **idle)
    told = feed(Engine(model, 1), values)
    last, seasonal, network = told.shares[:, 0].T
    known = np.arange(100, len(values))
    made = (last * values + seasonal * values[np.arange(len(values)) + 1 - SEASON])[known] / (1.0 - network[known])
    assert told.forecast[known, 0, 0, 0] == pytest.approx(made, rel=1e-6, abs=1e-6)
