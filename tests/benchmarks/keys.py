"""What the benchmarks of sessions share: pooled weights, one pass, and the order-k table run beside."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

import streamrnn
from streamrnn import spec
from streamrnn.engine.engine import Engine
from tests.benchmarks.tables import WittenBell

MODEL = spec.Model(
    task="events",
    weights="pooled",
    experts=(spec.Context(longest=10, contexts=4096),),
    vocabulary=spec.Vocabulary(symbols=64),
)


class Event(NamedTuple):
    """One event of a case; `end` marks the case's last. `beside` are numbers that come with it, `given` is what a table
    may know of it before it comes."""

    case: str
    symbol: str
    time: float | None = None
    end: bool = False
    beside: tuple[float, ...] = ()
    given: str = ""


class Told(NamedTuple):
    """Of every event (n): bits by mix, network and longest table, and its rank; of its session so far, of which the
    end is predicted too: all bits and the worst; and the session's tail probability where it has ended.

    Bits and rank are those among events: tables run beside know nothing of ends, and an event is none.
    """

    bits: NDArray[np.float64]
    network: NDArray[np.float64]
    table: NDArray[np.float64]
    sum: NDArray[np.float64]
    worst: NDArray[np.float64]
    tail: NDArray[np.float64]
    rank: NDArray[np.int64]


def run(events: Sequence[Event], model: spec.Model, seed: int = 1, chunk: int = 512) -> Told:
    """One pass, in batches as they would come; every case is a stream."""
    return feed(engine_of(model, len({event.case for event in events}), seed), events, chunk)


def engine_of(model: spec.Model, cases: int, seed: int) -> Engine:
    """A new engine of the model with this seed."""
    return Engine(structs.replace(model, seed=seed), cases)


def feed(engine: Engine, events: Sequence[Event], chunk: int = 512) -> Told:
    """One pass of an engine."""
    columns, ranks = [], []
    for start in range(0, len(events), chunk):
        part = events[start : start + chunk]
        timed = part[0].time is not None
        batch = streamrnn.events(
            [event.case for event in part],
            [event.symbol for event in part],
            time=np.array([event.time for event in part]) if timed else None,
            values=np.array([event.beside for event in part], np.float64) if part[0].beside else None,
            end=[event.end for event in part],
        )
        told = engine.step(batch, engine.admit(batch.names))
        columns.append(
            np.stack(
                [
                    told.surprise + np.log2(1.0 - told.end_share),
                    told.network,
                    told.table,
                    told.sum,
                    told.worst,
                    told.session_tail,
                ]
            )
        )
        ranks.append(told.rank - (told.end_share > told.share))
    return Told(*np.concatenate(columns, axis=1), rank=np.concatenate(ranks))


def beside(events: Sequence[Event], order: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Bits and hits of a Witten-Bell blend over the case's own history; the alphabet is known to it.

    What is given of an event stands before the history: the shortest context but the empty one is that alone.
    """
    table = WittenBell(order, len({event.symbol for event in events}))
    history: dict[str, list[str]] = {}
    told = []
    for event in events:
        past = history.setdefault(event.case, [])
        told.append(table.observe([*past, event.given] if event.given else past, event.symbol))
        past.append(event.symbol)
    return np.array([bits for bits, _ in told]), np.array([hit for _, hit in told])
