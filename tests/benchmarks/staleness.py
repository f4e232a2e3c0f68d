"""Stale or recomputed: what it costs that a window's activations were lived under older weights (stride < window).

A network of 16 units predicts the next value of the Mackey-Glass series (see mackeyglass.py), by TBPTT(16, stride) and
Adam, in float64. At every update the gradient through the activations as they were lived is compared with that through
the window run again under the weights of now, for the same labels: their cosine, and |g - g'| / |g'|, medians. `.gain`
is how much lower the median loss of a run that always recomputes is over the last half, mean over seeds, in nats.
The twin in tests/engine/replica.py does the work: the engine is held against it step by step. No recorded data.
"""

import copy
from typing import Any

import numpy as np

from streamrnn import spec
from streamrnn.evaluation.figures import Figure, figure
from tests.benchmarks.command import finish, reader
from tests.benchmarks.mackeyglass import generate
from tests.engine.replica import Replica
from tests.naive import cells

UNITS, WINDOW = 16, 16
LAYERS: dict[str, spec.Layer] = {"elman": spec.Elman(UNITS), "gru": spec.Gru(UNITS), "lstm": spec.Lstm(UNITS)}
SIZES: dict[str, int] = {"elman": 1, "gru": 3, "lstm": 4}  # gates


def weights(name: str, seed: int) -> Any:
    """Small first weights of a layer with one input, and a readout of zero."""
    random, gates = np.random.default_rng(seed), SIZES[name]
    bias = gates * UNITS + (UNITS if name == "gru" else 0)
    w = random.uniform(-1, 1, (UNITS + 1) * gates * UNITS) / np.sqrt(UNITS)
    return cells.join(w, np.zeros(bias), np.zeros(2 * (UNITS + 1)))


def compare(replica: Replica, rule: spec.Tbptt) -> tuple[float, float]:
    """Cosine and relative distance of the two gradients of the update that is due."""
    span, again = replica.span(rule), copy.copy(replica)
    again.rows, again.outs, again.tops = [*replica.rows], [*replica.outs], [*replica.tops]
    again.relive(span)
    stale, fresh = replica.gradient(span), again.gradient(span)
    size = np.linalg.norm(fresh)
    return float(stale @ fresh / (size * np.linalg.norm(stale))), float(np.linalg.norm(stale - fresh) / size)


def run(name: str, rule: spec.Tbptt, rate: float, values: Any, seed: int) -> tuple[Any, list[tuple[float, float]]]:
    """Losses of all steps, and the comparisons of all updates (where nothing is recomputed)."""
    model = spec.Model(layers=(LAYERS[name],), rule=rule, optimiser=spec.Adam(rate=rate))
    replica, told, found = Replica(model, 1, weights(name, seed)), [], list[tuple[float, float]]()
    for t, value in enumerate(values):
        if t:
            replica.label(t - 1, 0, float(value))
            told.append(replica.loss)
            if t % rule.stride == 0:
                if not rule.recompute and t > len(values) // 2 and t % (rule.stride * 16) == 0:
                    found.append(compare(replica, rule))
                replica.learn()
        replica.advance(np.array([value]))
        replica.stood_on.append([(0.0, 1.0)])
    return np.array(told), found


def main() -> None:
    """Run and print."""
    given = reader(__doc__, seeds=3, steps=3_000).parse_args()
    rows: list[Figure] = []
    for name in LAYERS:
        for rate in (0.002, 0.02):
            for stride in (1, 4, 8):
                gains, pairs = [], []
                for seed in range(1, given.seeds + 1):
                    values = generate(given.steps, seed)
                    values = (values - values.mean()) / values.std()
                    stale, found = run(name, spec.Tbptt(WINDOW, stride), rate, values, seed)
                    fresh, _ = run(name, spec.Tbptt(WINDOW, stride, recompute=True), rate, values, seed)
                    half = len(stale) // 2
                    gains.append(float(np.median(stale[half:]) - np.median(fresh[half:])))
                    pairs += found
                cosine, distance = np.median(np.array(pairs), axis=0)
                full = f"staleness.{name}.rate{rate}.stride{stride}"
                rows.append(figure(f"{full}.cosine", float(cosine), "1"))
                rows.append(figure(f"{full}.distance", float(distance), "1"))
                rows.append(figure(f"{full}.gain", float(np.mean(gains)), "nats"))
    finish("Staleness of overlapping windows", rows, given.json)


if __name__ == "__main__":
    main()
