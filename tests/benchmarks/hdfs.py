"""HDFS log keys (DeepLog's normal training sessions) and HDFS sessions with labels, one pass, reset at each session.

Keys: share of keys that were the likeliest, and bits, over all keys from the first; beside them an order-10
Witten-Bell table. Sessions: the model learns the first half of the sessions in their order and goes on learning; a
session's score is its mean surprise and its worst event, each over its median in the first half; the threshold is the
one of best F1 in the first half, and the figures are those of the second half. DeepLog's published .945 to .96 is
offline, trained on normal sessions alone, on the whole set: another split.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamrnn.cli.figures import Figure
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.keys import MODEL, Event, Told, beside, run

GOALS = {"hdfs.top1": ">= @table + .003", "hdfs.bits": "<= .97 x @table", "hdfs.f1": "DeepLog .945-.96"}


def sessions_of(lines: list[list[str]]) -> list[Event]:
    """Sessions one after the other."""
    return [
        Event(f"block-{number}", key, None, place == len(keys) - 1)
        for number, keys in enumerate(lines)
        for place, key in enumerate(keys)
    ]


def keys(path: Path, seeds: int) -> list[Figure]:
    events = sessions_of([line.split() for line in path.read_text().splitlines() if line])
    half = len(events) // 2
    told = [run(events, MODEL, seed) for seed in range(1, seeds + 1)]
    bits, hits = beside(events, 10)
    return [
        Figure("hdfs.top1", float(np.mean([(one.rank == 1).mean() for one in told])), "1"),
        Figure("hdfs.top1@table", float(hits.mean()), "1"),
        Figure("hdfs.bits", float(np.mean([one.bits.mean() for one in told])), "bits/event"),
        Figure("hdfs.half.bits", float(np.mean([one.bits[half:].mean() for one in told])), "bits/event"),
        Figure("hdfs.net.bits", float(np.mean([one.network.mean() for one in told])), "bits/event"),
        Figure("hdfs.table.bits", float(np.mean([one.table.mean() for one in told])), "bits/event"),
        Figure("hdfs.bits@table", float(bits.mean()), "bits/event"),
    ]


def scores(told: Told, lines: list[list[str]]) -> NDArray[np.float64]:
    """Mean and worst bits of every session, each in medians of the first half; the larger of the two."""
    parts = np.split(told.bits, np.cumsum([len(line) for line in lines])[:-1])
    both = np.array([[part.mean(), part.max()] for part in parts])
    return np.asarray((both / np.median(both[: len(both) // 2], axis=0)).max(axis=1))


def best_f1(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """The threshold of the highest F1."""
    order = np.argsort(-score)
    hits = np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + label.sum())
    return float(score[order[int(f1.argmax())]])


def sessions(path: Path) -> list[Figure]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    lines = [row["events"].split() for row in rows]
    label = np.array([row["label"] == "1" for row in rows])
    score, half = scores(run(sessions_of(lines), MODEL), lines), len(lines) // 2
    alarm = score[half:] >= best_f1(score[:half], label[:half])
    hit = float((alarm & label[half:]).sum())
    precision, recall = hit / max(alarm.sum(), 1), hit / label[half:].sum()
    return [
        Figure("hdfs.precision", float(precision), "1"),
        Figure("hdfs.recall", float(recall), "1"),
        Figure("hdfs.f1", float(2 * precision * recall / max(precision + recall, 1e-9)), "1"),
    ]


def main() -> None:
    given = reader(__doc__, ".", seeds=1).parse_args()
    normal, labelled = recorded(
        given.data, "events_hdfs_keys/normal_sessions.txt", "events_hdfs100k/sessions_train.csv"
    )
    finish("HDFS", keys(normal, given.seeds) + sessions(labelled), given.json, GOALS)


if __name__ == "__main__":
    main()
