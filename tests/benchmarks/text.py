"""Bytes as events: bits per byte of one pass from the first byte, test-then-train.

A new byte costs what "unseen" costs and log2 of the bytes that are left. Anchors run beside: bzip2; an order-5
Witten-Bell blend with --anchors (slow). Measured elsewhere: lstm-compress v3, the online LSTM that is the exact peer,
and PPMd var. I, order 6, 256 MiB.
"""

import bz2
import time
from pathlib import Path

import numpy as np

from streamrnn import events, spec
from streamrnn.engine.engine import Engine
from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.tables import WittenBell

FILES = {"shakespeare": "tinyshakespeare.txt", "paper1": "calgary_paper1", "progp": "calgary_progp"}
MODEL = spec.Model(
    task="events", preset="full", vocabulary=spec.Vocabulary(symbols=257), optimiser=spec.Adam(rate=1e-3)
)
CHUNK = 8192
ELSEWHERE = {
    "text.shakespeare.bits@lstm_compress": 2.372,
    "text.shakespeare.bits@ppmd": 2.087,
    "text.paper1.bits@lstm_compress": 3.599,
    "text.progp.bits@lstm_compress": 2.781,
}
GOALS = {
    "text.shakespeare.bits": "< 2.05",
    "text.shakespeare.net.bits": "< 2.30",
    "text.shakespeare.bytes_per_s": ">= 20000",
    "text.paper1.bits": "< 2.492",
    "text.progp.bits": "< 1.735",
}


def measure(name: str, data: bytes, seed: int) -> list[Figure]:
    """One pass over a file."""
    engine = Engine(spec.Model(**{**_fields(MODEL), "seed": seed}), 1)
    rows = engine.admit(["file"])
    columns, seconds = [], 0.0
    for start in range(0, len(data), CHUNK):
        part = list(data[start : start + CHUNK])
        batch = events(["file"] * len(part), part)
        began = time.process_time()
        told = engine.step(batch, np.repeat(rows, len(part)))
        seconds += time.process_time() - began
        new = np.where(told.symbol == 0, np.log2(np.maximum(257 - told.known + 1, 1)), 0.0)
        new[told.admitted > 0] = np.log2(257 - told.known[told.admitted > 0] + 1)
        columns.append(np.stack([told.surprise, told.network, told.table]) + new)
    mixed, network, table = np.concatenate(columns, axis=1)
    half = len(data) // 2
    return [
        Figure(f"text.{name}.bits", float(mixed.mean()), "bits/byte"),
        Figure(f"text.{name}.half.bits", float(mixed[half:].mean()), "bits/byte"),
        Figure(f"text.{name}.net.bits", float(network.mean()), "bits/byte"),
        Figure(f"text.{name}.net.half.bits", float(network[half:].mean()), "bits/byte"),
        Figure(f"text.{name}.table.bits", float(table.mean()), "bits/byte"),
        Figure(f"text.{name}.bytes_per_s", len(data) / seconds, "bytes/s"),
        Figure(f"text.{name}.bits@bzip2", 8 * len(bz2.compress(data)) / len(data), "bits/byte"),
    ]


def _fields(model: spec.Model) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


def witten_bell(name: str, data: bytes) -> Figure:
    table = WittenBell(5, len(set(data)))
    bits = sum(table.observe(data[max(0, i - 5) : i], s)[0] for i, s in enumerate(data))
    return Figure(f"text.{name}.bits@witten_bell_5", bits / len(data), "bits/byte")


def main() -> None:
    parser = reader(__doc__, "text", seeds=1)
    parser.add_argument("--files", nargs="*", default=list(FILES), choices=list(FILES), help="which files")
    parser.add_argument("--anchors", action="store_true", help="run the Witten-Bell blend too")
    given = parser.parse_args()
    rows: list[Figure] = []
    for name in given.files:
        path: Path = recorded(given.data, FILES[name])[0]
        data = path.read_bytes()
        runs = [measure(name, data, seed) for seed in range(1, given.seeds + 1)]
        for same in zip(*runs, strict=True):
            values = [figure.value for figure in same if figure.value is not None]
            rows.append(Figure(same[0].name, float(np.mean(values)), same[0].unit))
        if given.anchors:
            rows.append(witten_bell(name, data))
    rows += [Figure(name, bits, "bits/byte") for name, bits in ELSEWHERE.items() if name.split(".")[1] in given.files]
    finish("Bytes as events", rows, given.json, GOALS)


if __name__ == "__main__":
    main()
