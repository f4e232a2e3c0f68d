"""From lists to the columns of a batch; finiteness and range are checked here, for all rows at once."""

from datetime import UTC, datetime
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from streamrnn.messages import AHEAD, Batch, Floats, Ints, digest
from streamrnn.wire.incoming.rows import Place, Rows

LARGEST_VALUE = 1e30  # beyond it squares overflow in single precision
FAR_AHEAD = 86_400.0  # seconds
SET = 1e9  # seconds: a clock here that shows less has never been set, and says nothing of others
LATEST_TIME = 1e11  # seconds: the year 5138; as milliseconds: March 1973

_least, _most = np.minimum.reduce, np.maximum.reduce  # NaN when one is; half the price of the methods

Faults = dict[int, tuple[str, str]]  # row -> reason, detail


def columns(rows: Rows) -> tuple[Batch, list[Place], Faults]:
    """The batch, where each of its runs came from, and what is wrong with which rows (they are still in the batch)."""
    faults: Faults = {}
    count, time = len(rows.time), _times(rows, faults)
    batch = Batch(
        names=rows.names,
        lengths=np.array(rows.lengths, np.int64),
        columnar=rows.columnar,
        time=time,
        values=_values(rows, faults),
        label=_labels(rows, faults),
        ident=_sparse({row: digest(text) for row, text in rows.ids.items()} | rows.words, count),
        seq=_sequence(rows.seq),
        bits=_sparse(rows.bits, count) | _leaping(rows, time),
        ids=rows.ids,
        event=np.array(rows.events, np.int64) if rows.task == "events" else None,
        symbols={number: symbol for symbol, number in rows.symbols.items()},
        future=_ahead(rows, faults) if rows.coming else None,
    )
    return batch, rows.places, faults


def without(batch: Batch, places: list[Place], faults: Faults) -> tuple[Batch, list[Place]]:
    """The batch without the faulty rows; runs that become empty are dropped."""
    keep = np.ones(len(batch), np.bool_)
    keep[list(faults)] = False
    run = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
    lengths = np.bincount(run[keep], minlength=len(batch.lengths))
    left: list[bool] = (lengths > 0).tolist()
    moved = (np.cumsum(keep) - 1).tolist()
    kept = Batch(
        names=list(compress(batch.names, left)),
        lengths=lengths[lengths > 0].astype(np.int64),
        columnar=list(compress(batch.columnar, left)),
        time=batch.time[keep],
        values=batch.values[keep],
        label=batch.label[keep],
        ident=batch.ident[keep],
        seq=batch.seq[keep],
        bits=batch.bits[keep],
        ids={moved[row]: text for row, text in batch.ids.items() if row not in faults},
        event=None if batch.event is None else batch.event[keep],
        symbols=batch.symbols,
        future=None if batch.future is None else batch.future[keep],
    )
    return kept, list(compress(places, left))


def _times(rows: Rows, faults: Faults) -> Floats:
    try:
        time = np.array(rows.time, np.float64)
    except TypeError:  # some are datetimes
        time = np.array([_seconds(moment) for moment in rows.time], np.float64)
    if len(time) and not (_least(time) >= 0.0 and _most(time) <= LATEST_TIME):
        for row in np.flatnonzero(~((time >= 0.0) & (time <= LATEST_TIME))).tolist():
            late = time[row] > LATEST_TIME
            faults[row] = ("time", f"time {time[row]} is not in 0 to 1e11 seconds" + " (milliseconds?)" * bool(late))
    return time


def _leaping(rows: Rows, time: Floats) -> Ints:
    """AHEAD where a time (n) is far ahead of its arrival: perhaps a fault of the sender's clock, the engine looks."""
    received = [place.received for place in rows.places]
    if not received or not _most(time) > min(received) + FAR_AHEAD or min(received) < SET:
        return np.zeros(len(time), np.int64)
    return AHEAD * (time > np.repeat(received, rows.lengths) + FAR_AHEAD).astype(np.int64)


def _seconds(moment: float | datetime) -> float:
    """Seconds since the epoch; a time without a zone is UTC."""
    if not isinstance(moment, datetime):
        return moment
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _values(rows: Rows, faults: Faults) -> Floats:
    width = len(rows.features)
    values = np.array(rows.values, np.float64)
    size = np.abs(values)
    if len(size) and not _most(size) <= LARGEST_VALUE:  # NaN is not
        for index in np.flatnonzero(~(size <= LARGEST_VALUE)).tolist():
            number = rows.values[index]
            if number is not None:
                faults.setdefault(index // width, _number(f"values.{rows.features[index % width]}", number))
    return values.reshape(len(rows.time), width)


def _labels(rows: Rows, faults: Faults) -> Floats:
    label = np.full(len(rows.time), np.nan)
    for row, number in rows.label.items():
        label[row] = number
        if not abs(number) <= LARGEST_VALUE:
            faults.setdefault(row, _number("label", number))
        elif rows.binary and number not in (0, 1):
            faults.setdefault(row, ("label", f"label is {number}, and the model's head 'binary' knows 0 and 1 alone"))
    return label


def _ahead(rows: Rows, faults: Faults) -> Floats:
    """What is known ahead (n, G K); NaN where it was not told."""
    none = [None] * rows.horizons
    told = np.full((len(rows.time), len(rows.coming) * rows.horizons), np.nan)
    for row, lists in rows.ahead.items():
        cells = [number for each in lists for number in (none if each is None else each)]
        told[row] = np.array(cells, np.float64)
        for place, number in enumerate(cells):
            if number is not None and not abs(number) <= LARGEST_VALUE:
                faults.setdefault(row, _number(f"future.{rows.coming[place // rows.horizons]}", number))
                told[row, place] = np.nan
    return told


def _number(name: str, number: float) -> tuple[str, str]:
    """Reason and detail for a number that is NaN, infinite or too large."""
    if number - number != 0.0:
        return "not_finite", f"{name} is {number} (send null for a missing value)"
    return "out_of_range", f"{name} is {number}, beyond {LARGEST_VALUE}"


def _sequence(seq: list[int | None]) -> Ints:
    try:
        return np.array(seq, np.int64)
    except TypeError:  # some observations have none
        return np.array([-1 if number is None else number for number in seq], np.int64)


def _sparse(entries: dict[int, int], count: int) -> NDArray[np.int64]:
    column = np.zeros(count, np.int64)
    for row, entry in entries.items():
        column[row] = entry
    return column
