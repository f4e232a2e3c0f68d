"""Every file under config/ is loaded, built and run."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from streamrnn import events, messages
from streamrnn.cli.demo import MODEL
from streamrnn.config import schema
from streamrnn.engine.engine import Engine

CONFIG = Path(__file__).parents[2] / "config"
FILES = sorted(path.stem for path in CONFIG.glob("*.toml"))
STREAMS, ROWS = 3, 300
OF_EVENTS = ["logs", "music", "process", "text"]


def recorded(model):
    """ROWS steps of STREAMS streams that swing by the day, one value in fifty missing."""
    rng = np.random.default_rng(5)
    n, count = STREAMS * ROWS, len(model.features)
    step = np.repeat(np.arange(ROWS), STREAMS)
    values = np.sin(2 * np.pi * step / 24)[:, None] + 0.1 * rng.normal(size=(n, count)) + np.arange(count) * 10
    label = values.sum(axis=1) if model.task == "label" else np.full(n, np.nan)
    values[rng.random((n, count)) < 0.02] = np.nan
    return messages.Batch(
        names=[f"stream-{i}" for _ in range(ROWS) for i in range(STREAMS)],
        lengths=np.ones(n, np.int64),
        columnar=[False] * n,
        time=1_700_000_000.0 + 3600.0 * step,
        values=values,
        label=label,
        ident=np.arange(1, n + 1),
        seq=np.full(n, -1),
        bits=np.zeros(n, np.int64),
    )


def test_the_files_are_those_that_are_told_of():
    assert FILES == ["labelled", "logs", "machines", "music", "process", "reference", "text", "waterflow"]


@pytest.mark.parametrize("name", [name for name in FILES if name not in OF_EVENTS])
def test_it_is_loaded_built_and_run(name):
    read = schema.load(CONFIG / f"{name}.toml")
    engine = Engine(read.model, read.limits.max_streams)
    batch = recorded(read.model)
    outcomes = engine.step(batch, engine.admit(batch.names))
    assert (outcomes.bits & messages.LEARNED != 0).all()
    assert np.isfinite(outcomes.forecast[-STREAMS:]).all()
    assert (outcomes.bits & messages.UPDATED != 0).any()
    assert not (outcomes.bits & (messages.SKIPPED | messages.ROLLED_BACK)).any()
    error = np.abs(outcomes.expected - outcomes.actual)[n_last() :]
    assert np.nanmean(error) < np.nanstd(outcomes.actual, axis=0).mean()  # it has learned something
    low, high = outcomes.forecast[-STREAMS:, :, :, 1], outcomes.forecast[-STREAMS:, :, :, 2]
    assert (low < high).all()


@pytest.mark.parametrize("name", OF_EVENTS)
def test_one_of_events_is_loaded_built_and_run(name):
    """A word that comes again and again, of each stream, in sessions."""
    read = schema.load(CONFIG / f"{name}.toml")
    engine = Engine(read.model, STREAMS)
    word = [ord(letter) for letter in "streams of events "]
    n = STREAMS * ROWS
    step = np.repeat(np.arange(ROWS), STREAMS)
    batch = events(
        [f"stream-{i}" for _ in range(ROWS) for i in range(STREAMS)],
        [word[k % len(word)] for k in step],
        1.7e9 + step,
        np.zeros((n, len(read.model.features))),
        step % 90 == 89,
    )
    outcomes = engine.step(batch, engine.admit(batch.names))
    assert (outcomes.bits & messages.LEARNED != 0).all()
    assert (outcomes.bits & messages.UPDATED != 0).any()
    assert not (outcomes.bits & (messages.SKIPPED | messages.ROLLED_BACK)).any()
    assert outcomes.surprise[-60:].mean() < 1.0 < outcomes.surprise[:60].mean()
    assert outcomes.following.shape[1] == read.model.vocabulary.shown


def n_last():
    """From here on the last third."""
    return STREAMS * ROWS * 2 // 3


def test_the_demo_runs_what_waterflow_says():
    stated = tomllib.loads((CONFIG / "waterflow.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(MODEL)["model"] == stated["model"]


def test_machines_is_for_a_thousand_of_them():
    read = schema.load(CONFIG / "machines.toml")
    engine = Engine(read.model, read.limits.max_streams)
    rows = engine.admit([f"machine-{i}" for i in range(1000)])
    assert rows.tolist() == list(range(1000))
    assert engine.bytes_total < 2**27


def test_labels_that_come_later_settle_what_they_are_about():
    """The two messages that config/labelled.toml shows."""
    read = schema.load(CONFIG / "labelled.toml")
    engine = Engine(read.model, 1)
    batch = messages.Batch(
        names=["line-1"] * 2,
        lengths=np.ones(2, np.int64),
        columnar=[False] * 2,
        time=np.array([0.0, 60.0]),
        values=np.array([[4.1, 81.5], [np.nan, np.nan]]),
        label=np.array([np.nan, 0.93]),
        ident=np.array([17, 17]),
        seq=np.full(2, -1),
        bits=np.array([0, messages.LABEL_ONLY]),
    )
    outcomes = engine.step(batch, engine.admit(batch.names))
    assert outcomes.bits[0] & messages.LEARNED
    assert outcomes.bits[1] & messages.SETTLED
