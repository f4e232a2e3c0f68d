"""High-order sequences with noise between them (Cui, Ahmad, Hawkins 2016): learned from the first element, re-learned.

Eight sequences in pairs that differ in their beginning and their end alone; after each a noise symbol that never came
before; no resets. After element 10,000 the ends of each pair are exchanged. Only the prediction of a sequence's last
symbol is scored: share of hits over the last 100 sequences. "Learned" is the first element at which it exceeds .95 of
its final value (at element 10,000, and at the end, there from the lowest point after the change on). Anchors are that
paper's stored results: HTM 1.00 / 7,010 / 2,935, online LSTM .895 / 4,540 / 3,275. `two` and `four`: every sequence
ends in one of so many symbols, all different from those of the other one of its pair; a hit is among as many likeliest.
"""

import numpy as np
from numpy.typing import NDArray

from streamrnn import events, spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader

SEQUENCES = ("6874230", "1874235", "6342785", "1342780", "09785341", "29785346", "04358796", "24358791")
PAIRS = tuple(zip(SEQUENCES[::2], SEQUENCES[1::2], strict=True))
GOALS = {"highorder.final": ">= .99", "highorder.learn": "< 4500", "highorder.relearn": "< 2900"}
MODEL = spec.Model(
    task="events", preset="light", experts=(spec.Context(longest=8, contexts=16384),),
    vocabulary=spec.Vocabulary(symbols=32),
)  # fmt: skip
RECENT = 100
ENDINGS = {"": 1, "two.": 2, "four.": 4}
MEASURES = ("final", "learn", "final_after", "relearn")
ANCHORS = {"htm": [1.0, 7010.0, 1.0, 2935.0], "online_lstm": [0.895, 4540.0, 0.879, 3275.0]}
ELSEWHERE = {"two": {"htm": 0.98, "lstm_9000": 0.86}, "four": {"htm": 0.99, "lstm_9000": 0.44}}


def several(endings: int, random: np.random.Generator) -> dict[str, str]:
    """What each sequence may end in; those of a pair have nothing in common."""
    found = {}
    for one, other in PAIRS:
        ends = "".join(random.permutation(list("0123456789")))
        found[one], found[other] = ends[:endings], ends[endings : 2 * endings]
    return found


def stream(length: int, endings: int, random: np.random.Generator) -> tuple[list[str], NDArray[np.int64]]:
    """The elements, and the places of the sequences' last symbols."""
    ends = {sequence: sequence[-1] for sequence in SEQUENCES} if endings == 1 else several(endings, random)
    swapped = {one: ends[other] for pair in PAIRS for one, other in (pair, pair[::-1])}
    names = dict(zip("0123456789", random.permutation(10).astype(str), strict=True))
    noise = iter(random.permutation(50_000))
    elements: list[str] = []
    lasts = []
    while len(elements) < length:
        sequence = SEQUENCES[int(random.integers(len(SEQUENCES)))]
        possible = (ends if len(elements) < length // 2 else swapped)[sequence]
        end = possible if endings == 1 else str(random.choice(list(possible)))
        elements += [names[symbol] for symbol in sequence[:-1] + end]
        lasts.append(len(elements) - 1)
        elements.append(f"noise-{next(noise)}")
    return elements[:length], np.array([last for last in lasts if last < length])


def measure(length: int, endings: int, seed: int) -> tuple[float, float, float, float]:
    """Final share of hits before the change, elements to learn it; the same after the change."""
    elements, lasts = stream(length, endings, np.random.default_rng(seed))
    engine = Engine(MODEL, 1)
    batch = events(["a"] * length, elements)
    told = engine.step(batch, engine.admit(batch.names))
    hit = (told.rank[lasts] <= endings).astype(float)
    running = np.array([hit[max(0, i + 1 - RECENT) : i + 1].sum() / RECENT for i in range(len(hit))])
    half = int(np.searchsorted(lasts, length // 2))
    before, after = running[:half], running[half:]
    learned = lasts[:half][np.argmax(before > 0.95 * before[-1])]
    fallen = RECENT // 2 + int(np.argmin(after[RECENT // 2 : RECENT * 2]))  # from its lowest point on
    again = lasts[half:][fallen + int(np.argmax(after[fallen:] > 0.95 * after[-1]))] - length // 2
    return float(before[-1]), float(learned), float(after[-1]), float(again)


def figures(name: str, values: list[float]) -> list[Figure]:
    """One a measure."""
    return [
        Figure(name.format(measure), value, "1" if "final" in measure else "elements")
        for measure, value in zip(MEASURES, values, strict=True)
    ]


def main() -> None:
    given = reader(__doc__, seeds=10, steps=20_000).parse_args()
    rows = []
    for variant, endings in ENDINGS.items():
        found = np.array([measure(given.steps, endings, seed) for seed in range(1, given.seeds + 1)])
        for spread, values in (("", found.mean(axis=0)), (".sd", found.std(axis=0))):
            rows += figures(f"highorder.{variant}{{}}{spread}", values.tolist())
    for anchor, values in ANCHORS.items():
        rows += figures(f"highorder.{{}}@{anchor}", values)
    for variant, anchors in ELSEWHERE.items():
        rows += [Figure(f"highorder.{variant}.final@{anchor}", value, "1") for anchor, value in anchors.items()]
    finish("High-order sequences", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
