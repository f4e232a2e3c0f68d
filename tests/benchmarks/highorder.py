"""High-order sequences with noise between them (Cui, Ahmad, Hawkins 2016): learned from the first element, re-learned.

Eight sequences in pairs that differ in their beginning and their end alone; after each a noise symbol that never came
before; no resets. After element 10,000 the ends of each pair are exchanged. Only the prediction of a sequence's last
symbol is scored: share of hits over the last 100 sequences. "Learned" is the first element at which it exceeds .95 of
its final value (at element 10,000, and at the end, there from the lowest point after the change on). Anchors are that
paper's stored results: HTM 1.00 / 7,010 / 2,935, online LSTM .895 / 4,540 / 3,275.
"""

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.cli.figures import Figure
from streamrnn.event_engine import EventEngine, batch_of
from tests.benchmarks.command import finish, reader

SEQUENCES = ("6874230", "1874235", "6342785", "1342780", "09785341", "29785346", "04358796", "24358791")
SWAP = {"0": "5", "5": "0", "1": "6", "6": "1"}
GOALS = {"highorder.final": ">= .99", "highorder.learn": "< 4500", "highorder.relearn": "< 2900"}
MODEL = spec.Model(
    task="events", preset="light", experts=(spec.Context(longest=8, contexts=16384),),
    vocabulary=spec.Vocabulary(symbols=32),
)  # fmt: skip
RECENT = 100


def stream(length: int, random: np.random.Generator) -> tuple[list[str], NDArray[np.int64]]:
    """The elements, and the places of the sequences' last symbols."""
    names = dict(zip("0123456789", random.permutation(10).astype(str), strict=True))
    noise = iter(random.permutation(50_000))
    elements: list[str] = []
    lasts = []
    while len(elements) < length:
        sequence = SEQUENCES[int(random.integers(len(SEQUENCES)))]
        changed = len(elements) >= length // 2
        end = SWAP[sequence[-1]] if changed else sequence[-1]
        elements += [names[symbol] for symbol in sequence[:-1] + end]
        lasts.append(len(elements) - 1)
        elements.append(f"noise-{next(noise)}")
    return elements[:length], np.array([last for last in lasts if last < length])


def measure(length: int, seed: int) -> tuple[float, float, float, float]:
    """Final share of hits before the change, elements to learn it; the same after the change."""
    elements, lasts = stream(length, np.random.default_rng(seed))
    engine = EventEngine(MODEL, 1)
    batch = batch_of(["a"] * length, elements)
    told = engine.step(batch, engine.admit(batch.names))
    hit = (told.rank[lasts] == 1).astype(float)
    running = np.array([hit[max(0, i + 1 - RECENT) : i + 1].sum() / RECENT for i in range(len(hit))])
    half = int(np.searchsorted(lasts, length // 2))
    before, after = running[:half], running[half:]
    learned = lasts[:half][np.argmax(before > 0.95 * before[-1])]
    fallen = RECENT // 2 + int(np.argmin(after[RECENT // 2 : RECENT * 2]))  # from its lowest point on
    again = lasts[half:][fallen + int(np.argmax(after[fallen:] > 0.95 * after[-1]))] - length // 2
    return float(before[-1]), float(learned), float(after[-1]), float(again)


def main() -> None:
    given = reader(__doc__, seeds=10, steps=20_000).parse_args()
    found = np.array([measure(given.steps, seed) for seed in range(1, given.seeds + 1)])
    names = ("final", "learn", "final_after", "relearn")
    rows = [
        Figure(f"highorder.{name}", float(value), "1" if "final" in name else "elements")
        for name, value in zip(names, found.mean(axis=0), strict=True)
    ]
    rows += [
        Figure(f"highorder.{name}.sd", float(value), "1" if "final" in name else "elements")
        for name, value in zip(names, found.std(axis=0), strict=True)
    ]
    for anchor, values in {"htm": (1.0, 7010.0, 1.0, 2935.0), "online_lstm": (0.895, 4540.0, 0.879, 3275.0)}.items():
        rows += [
            Figure(f"highorder.{name}@{anchor}", value, "1" if "final" in name else "elements")
            for name, value in zip(names, values, strict=True)
        ]
    finish("High-order sequences", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
