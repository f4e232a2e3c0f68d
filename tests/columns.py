"""Batches and outcomes made by hand."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from streamrnn.kernels.core.outcomes import ForecastInt, ForecastReal
from streamrnn.messages import Batch, Outcomes

COLUMNS = tuple(name for name, member in vars(Outcomes).items() if isinstance(member, property))


def outcomes(n: int, targets: int, horizons: int) -> Outcomes:
    """An empty set of columns for n observations."""
    reals = np.full((n, ForecastReal.FORECAST + 3 * targets * (horizons + 1)), np.nan)
    return Outcomes(np.zeros((n, ForecastInt.WIDTH + horizons), np.int64), reals, targets, horizons)


def batch_of(times: Sequence[tuple[str, float]], bits: int = 0, columns: bool = False) -> Batch:
    """Observations of one feature, (stream, time) each; one run each, or one a stream in a row as columns."""
    names = [name for name, _ in times]
    lengths = [1] * len(times)
    if columns:
        names, lengths = map(list, zip(*((name, len(list(run))) for name, run in groupby(names)), strict=True))
    count = len(times)
    return Batch(
        names=names,
        lengths=np.array(lengths, np.int64),
        columnar=[columns] * len(names),
        time=np.array([time for _, time in times]),
        values=np.arange(count, dtype=np.float64)[:, None],
        label=np.full(count, np.nan),
        ident=np.zeros(count, np.int64),
        seq=np.full(count, -1, np.int64),
        bits=np.full(count, bits, np.int64),
        ids={},
    )
