"""HDFS log keys (DeepLog's normal training sessions) and HDFS sessions with labels, one pass, reset at each session.

Keys: share of keys that were the likeliest, and bits, over all keys from the first; beside them an order-10
Witten-Bell table. Sessions (a session's score is its mean surprise, its end counted as an event): the model learns the
normal sessions of the first half in their order, as DeepLog does, and then, as it comes, all of the second half, on
which it is judged; the threshold is what one in 200 of the later normal sessions of the first half exceed. `unlabelled`
is one pass over everything, with the threshold of best F1 in the first half. `frozen`: the model learns the normal
sessions of the first half, is frozen, and judges all of the second; recall where .75 % of the normal ones alarm, of a
session's worst event, of its mean and of its own score (the engine's tail probability). `@ceiling` is what nobody who
sees keys alone can exceed: half of the abnormal sessions here are, key for key, like most normal ones. DeepLog's
published .945 to .96 is offline, trained on normal sessions alone, on the whole set: another split.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamrnn.evaluation.figures import Figure
from tests.benchmarks.command import finish, reader, recorded
from tests.benchmarks.keys import MODEL, Event, beside, engine_of, feed, run

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
FALSE_ALARMS = 0.005
USUAL = 0.0075  # share of normal sessions that alarm, with a frozen model

GOALS = {"hdfs.top1": ">= @table + .003", "hdfs.bits": "<= .97 x @table", "hdfs.f1": "DeepLog .945-.96; @ceiling"}


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


def scores(lines: list[list[str]]) -> Array:
    """Mean bits of every session, in one pass."""
    last = np.cumsum([len(line) for line in lines]) - 1
    return np.asarray(run(sessions_of(lines), MODEL).sum[last] / [len(line) + 1 for line in lines])


def best_f1(score: Array, label: Flags) -> float:
    """The threshold of the highest F1."""
    order = np.argsort(-score)
    hits = np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + label.sum())
    return float(score[order[int(f1.argmax())]])


def detection(name: str, alarm: Flags, label: Flags) -> list[Figure]:
    """Precision, recall and F1."""
    hit = float((alarm & label).sum())
    precision, recall = hit / max(alarm.sum(), 1), hit / label.sum()
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    values = {"precision": precision, "recall": recall, "f1": f1}
    return [Figure(name.format(measure), float(value), "1") for measure, value in values.items()]


def ceiling(lines: list[list[str]], label: Flags) -> Flags:
    """An alarm where most sessions of exactly these keys are abnormal."""
    keys = [" ".join(line) for line in lines]
    every, abnormal = Counter(keys), Counter(key for key, strange in zip(keys, label, strict=True) if strange)
    return np.array([2 * abnormal[key] > every[key] for key in keys])


def rarity(lines: list[list[str]], label: Flags) -> Array:
    """The share of abnormal ones among the sessions of exactly these keys: nobody who sees keys alone can beat it."""
    keys = [" ".join(line) for line in lines]
    every, abnormal = Counter(keys), Counter(key for key, strange in zip(keys, label, strict=True) if strange)
    return np.array([abnormal[key] / every[key] for key in keys])


def sessions(path: Path) -> list[Figure]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    lines = [row["events"].split() for row in rows]
    label = np.array([row["label"] == "1" for row in rows])
    half = len(lines) // 2
    normal = [line for line, strange in zip(lines[:half], label[:half], strict=True) if not strange]
    learned = scores(normal + lines[half:])
    usual = np.quantile(learned[len(normal) // 2 : len(normal)], 1.0 - FALSE_ALARMS)
    whole = scores(lines)
    return [
        *detection("hdfs.{}", learned[len(normal) :] > usual, label[half:]),
        *detection("hdfs.unlabelled.{}", whole[half:] >= best_f1(whole[:half], label[:half]), label[half:]),
        *frozen(normal, lines[half:], label[half:]),
        Figure("hdfs.frozen.recall@ceiling", recall_at(rarity(lines[half:], label[half:]), label[half:], USUAL), "1"),
        *detection("hdfs.{}@ceiling", ceiling(lines[half:], label[half:]), label[half:]),
    ]


def recall_at(score: Array, label: Flags, false: float) -> float:
    """Share of the abnormal sessions above the threshold that this share of the normal ones exceeds."""
    return float((score[label] > np.quantile(score[~label], 1.0 - false)).mean())


def frozen(normal: list[list[str]], lines: list[list[str]], label: Flags) -> list[Figure]:
    """Learn normal sessions, then judge others: nothing moves any more."""
    engine = engine_of(MODEL, len(normal) + len(lines), 1)
    feed(engine, sessions_of(normal))
    engine.frozen = True
    told = feed(engine, sessions_of(lines))
    lengths = np.array([len(line) for line in lines])
    last = np.cumsum(lengths) - 1
    scores = {"worst": told.worst[last], "mean": told.sum[last] / (lengths + 1), "score": -told.tail[last]}
    return [Figure(f"hdfs.frozen.{by}.recall", recall_at(score, label, USUAL), "1") for by, score in scores.items()]


def main() -> None:
    given = reader(__doc__, ".", seeds=1).parse_args()
    normal, labelled = recorded(
        given.data, "events_hdfs_keys/normal_sessions.txt", "events_hdfs100k/sessions_train.csv"
    )
    finish("HDFS", keys(normal, given.seeds) + sessions(labelled), given.json, GOALS)


if __name__ == "__main__":
    main()
