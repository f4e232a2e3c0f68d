"""Many open cases at once: events a second of one core, pooled weights, and what that costs in memory.

A process of 20 activities, each followed by one of three; a case ends after about 15 of them, and another begins in its
place. All cases are open at all times and take turns at random, so that neighbouring events hardly ever are of one
case: nothing of a case is in the processor's cache. The model is that of config/process.toml; --preset for another one.
Time is that of the engine alone, in batches of 4,096 as a busy daemon makes them; bits are those of the last tenth.
"""

import time

import numpy as np

from streamrnn import events, spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader

CASES, ACTIVITIES, LENGTH, BATCH = 10_000, 20, 15, 4096
GOALS = {"cases.events_per_s": ">= 50000"}


def process(length: int, random: np.random.Generator) -> tuple[list[str], list[str], list[bool]]:
    """Cases, activities and ends of so many events."""
    following = np.array([random.permutation(ACTIVITIES)[:3] for _ in range(ACTIVITIES)])
    chance = random.choice(3, length, p=[0.8, 0.15, 0.05])
    case, end, now = random.integers(CASES, size=length), random.random(length) < 1 / LENGTH, np.zeros(CASES, np.int64)
    activities = []
    for i in range(length):
        activities.append(f"activity-{now[case[i]]}")
        now[case[i]] = 0 if end[i] else following[now[case[i]], chance[i]]
    return [f"case-{number}" for number in case], activities, end.tolist()


def measure(length: int, preset: str, seed: int) -> tuple[float, float, float]:
    """Events a second, bits, bytes of all planes."""
    model = spec.Model(
        task="events",
        preset=preset,  # type: ignore[arg-type]
        weights="pooled",
        vocabulary=spec.Vocabulary(symbols=64, shown=3),
        optimiser=spec.Adam(0.005),
        seed=seed,
    )
    engine = Engine(model, CASES)
    cases, activities, end = process(length + 2 * CASES, np.random.default_rng(seed))
    spent, costs = 0.0, []
    for start in range(0, len(cases), BATCH):
        part = slice(start, start + BATCH)
        batch = events(cases[part], activities[part], end=end[part])
        rows = engine.admit(batch.names)
        begun = time.process_time()
        told = engine.step(batch, rows)
        spent += time.process_time() - begun if start >= 2 * CASES else 0.0  # all cases are open by then
        costs.append(told.surprise)
    bits = np.concatenate(costs)
    counted = len(bits) - -(-2 * CASES // BATCH) * BATCH
    return counted / spent, float(bits[-len(bits) // 10 :].mean()), float(engine.bytes_total)


def main() -> None:
    parser = reader(__doc__, seeds=1, steps=200_000)
    parser.add_argument("--preset", default="light", choices=["light", "standard", "full"])
    given = parser.parse_args()
    found = np.mean([measure(given.steps, given.preset, seed) for seed in range(1, given.seeds + 1)], axis=0)
    units = {"events_per_s": "events/s", "bits": "bits/event", "bytes": "bytes"}
    rows = [
        Figure(f"cases.{name}", float(value), unit) for (name, unit), value in zip(units.items(), found, strict=True)
    ]
    finish(f"{CASES} open cases", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
