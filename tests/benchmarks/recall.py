"""Copy and recall over lags of 10, 50 and 200 events: what attention and memory keep that the cell alone does not.

`copy`: LAG random symbols of 8, then the same ones again; scored are the second ones. `recall`: one of 8 keys and one
of 8 values, symbols of another 8 that mean nothing, and LAG events after it the key again; scored is the value that
follows. One pass, network alone, without context tables (they would solve `copy`, not `recall`); bits over the last
fifth, in which chance is 3 bits. All networks end in the same GRU and are trained over windows of 16 events: `cell` has
nothing else, `attention` sees the last LAG events (at most 64), `memory` has one slot for each of them and finds what
followed the same last five events (copy; it cannot know the first five of a second half) or the same key (recall).
"""

import numpy as np
from numpy.typing import NDArray

import streamrnn
from streamrnn import spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader

LAGS = (10, 50, 200)
KINDS = 8
GOALS = {f"recall.{task}.{lag}.memory.bits": "< cell" for task in ("copy", "recall") for lag in LAGS}
Random = np.random.Generator
Flags = NDArray[np.bool_]


def copied(length: int, lag: int, random: Random) -> tuple[list[str], Flags]:
    """The events, and which are scored."""
    events: list[str] = []
    while len(events) < length:
        block = [f"s{i}" for i in random.integers(KINDS, size=lag)]
        events += block + block
    return events[:length], np.arange(length) % (2 * lag) >= lag


def recalled(length: int, lag: int, random: Random) -> tuple[list[str], Flags]:
    """The events, and which are scored."""
    events: list[str] = []
    while len(events) < length:
        key, value, *rest = random.integers(KINDS, size=lag)
        pair = [f"key{key}", f"value{value}"]
        events += [*pair, *(f"s{i}" for i in rest), *pair]
    return events[:length], np.arange(length) % (lag + 2) == lag + 1


TASKS = {"copy": copied, "recall": recalled}


def layers(task: str, lag: int) -> dict[str, tuple[spec.Layer, ...]]:
    """The networks."""
    first: tuple[spec.Layer, ...] = (spec.Embedding(16),)
    last = spec.Gru(32)
    spelled = (*first, spec.Conv(32, span=5)) if task == "copy" else first
    found: dict[str, tuple[spec.Layer, ...]] = {
        "cell": (*first, last),
        "memory": (*spelled, spec.Memory(32, slots=max(lag, 32)), last),
    }
    if lag < 64:
        found["attention"] = (*first, spec.Attention(32, span=lag + 2), last)
    return found


def measure(task: str, lag: int, name: str, length: int, seed: int) -> float:
    """Bits of the network alone over the scored events of the last fifth."""
    model = spec.Model(
        task="events",
        layers=layers(task, lag)[name],
        experts=(spec.Context(longest=0),),
        vocabulary=spec.Vocabulary(symbols=32),
        rule=spec.Tbptt(16, 16),
        seed=seed,
    )
    events, scored = TASKS[task](length, lag, np.random.default_rng(seed))
    engine = Engine(model, 1)
    batch = streamrnn.events(["a"] * length, events)
    told = engine.step(batch, engine.admit(batch.names))
    return float(told.network[scored & (np.arange(length) >= 0.8 * length)].mean())


def main() -> None:
    given = reader(__doc__, seeds=3, steps=200_000).parse_args()
    rows = []
    for task in TASKS:
        for lag in LAGS:
            for name in layers(task, lag):
                bits = [measure(task, lag, name, given.steps, seed) for seed in range(1, given.seeds + 1)]
                rows.append(Figure(f"recall.{task}.{lag}.{name}.bits", float(np.mean(bits)), "bits/event"))
                rows.append(Figure(f"recall.{task}.{lag}.{name}.bits.sd", float(np.std(bits)), "bits/event"))
    finish("Copy and recall", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
