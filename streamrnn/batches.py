"""Batches of observations, for programs that use the engine without a wire."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.messages import END, STAMPED, Batch, digest


def batch(
    streams: Sequence[str],
    values: ArrayLike,
    time: ArrayLike | None = None,
    label: ArrayLike | None = None,
    seq: ArrayLike | None = None,
    end: ArrayLike | None = None,
) -> Batch:
    """Single observations (n) in order of arrival, of the streams named; `values` (n, F), NaN is missing.

    `time` (n) in seconds since the epoch, else each counts as the moment it comes; `label` (n), NaN is none; `seq` (n)
    the sender's numbers, -1 is none; `end` (n) true where the hidden state is reset afterwards. Raises ValueError when
    the lengths differ.
    """
    n = len(streams)
    found = np.ascontiguousarray(values, np.float64).reshape(n, -1 if n else 1)
    bits = np.full(n, STAMPED if time is None else 0, np.int64)
    if end is not None:
        bits |= np.where(_column(end, n, False).astype(bool), END, 0)
    return Batch(
        names=list(streams),
        lengths=np.ones(n, np.int64),
        columnar=[False] * n,
        time=_column(time, n, 0.0),
        values=found,
        label=_column(label, n, np.nan),
        ident=np.zeros(n, np.int64),
        seq=_column(seq, n, -1).astype(np.int64),
        bits=bits,
    )


def events(
    streams: Sequence[str],
    symbols: Sequence[str | int],
    time: ArrayLike | None = None,
    values: ArrayLike | None = None,
    end: ArrayLike | None = None,
) -> Batch:
    """Single events (n) of the streams named, for a model of task "events"; `symbols` (n) are texts or integers.

    `time` (n) in seconds, None when there is none; `values` (n, F) numeric context; `end` (n) true at the last event of
    a session. Raises ValueError when the lengths differ.
    """
    n = len(streams)
    digests = {symbol: digest(symbol) for symbol in set(symbols)}
    bits = np.full(n, STAMPED if time is None else 0, np.int64)
    if end is not None:
        bits |= np.where(_column(end, n, False).astype(bool), END, 0)
    return Batch(
        names=list(streams),
        lengths=np.ones(n, np.int64),
        columnar=[False] * n,
        time=_column(time, n, 0.0),
        values=np.empty((n, 0)) if values is None else np.ascontiguousarray(values, np.float64),
        label=np.full(n, np.nan),
        ident=np.zeros(n, np.int64),
        seq=np.full(n, -1),
        bits=bits,
        event=np.array([digests[symbol] for symbol in symbols], np.int64),
        symbols={number: symbol for symbol, number in digests.items()},
    )


def _column(given: ArrayLike | None, n: int, otherwise: float) -> np.ndarray:
    """A column of n numbers, all of them `otherwise` when it is not given."""
    found = np.full(n, otherwise) if given is None else np.ascontiguousarray(given, np.float64)
    if found.shape != (n,):
        raise ValueError(f"a column of {found.shape} for {n} observations")
    return found
