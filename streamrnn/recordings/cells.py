"""Cells of a recorded file: text or JSON values to numbers and times, a whole column at once.

Missing is NaN. A cell that cannot be used marks its row in `bad`: index -> (reason, detail); the reasons are those of
the daemon's refusals.
"""

import operator
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from streamrnn.messages import Floats, Ints
from streamrnn.wire.incoming.columns import LARGEST_VALUE, LATEST_TIME

MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}

Bad = dict[int, tuple[str, str]]


def numbers(cells: Sequence[Any], column: str, bad: Bad) -> Floats:
    """A column of numbers, NaN where a cell is missing."""
    try:
        found = np.array(cells, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.array([_number(cell, i, column, bad) for i, cell in enumerate(cells)], np.float64)
    for i in np.flatnonzero(np.isinf(found)).tolist():
        bad.setdefault(i, ("not_finite", f"{column} is {cells[i]}"))
    for i in np.flatnonzero(np.isfinite(found) & (np.abs(found) > LARGEST_VALUE)).tolist():
        bad.setdefault(i, ("out_of_range", f"{column} is {cells[i]}, beyond 1e30"))
    return found


def _number(cell: Any, i: int, column: str, bad: Bad) -> float:
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        bad.setdefault(i, ("type", f"{column} is {str(cell)[:40]!r}"))
        return np.nan


def counts(cells: Sequence[Any], column: str, bad: Bad) -> Ints:
    """A column of whole numbers from 0 on, exact to 63 bits, -1 where a cell is missing."""
    found = np.full(len(cells), -1, np.int64)
    for i, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
            continue
        number = _whole(cell)
        if number is None:
            bad.setdefault(i, ("type", f"{column} is {str(cell)[:40]!r}, not a whole number"))
        elif not 0 <= number < 2**63:
            bad.setdefault(i, ("out_of_range", f"{column} is {number}, not in 0 to 2^63 - 1"))
        else:
            found[i] = number
    return found


def _whole(cell: Any) -> int | None:
    """The whole number that a cell says; many programs write 7.0 for 7 in a column that has gaps."""
    try:
        return int(cell) if isinstance(cell, str) else operator.index(cell)
    except (TypeError, ValueError):
        pass
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def times(cells: Sequence[Any], column: str, bad: Bad) -> Floats:
    """A column of times in seconds since the epoch; reads seconds, milliseconds and ISO 8601 (UTC unless it says)."""
    try:
        found = np.array(cells, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.array([_moment(cell) for cell in cells], np.float64)
    found = np.where(found > LATEST_TIME, found / 1000.0, found)
    for i in np.flatnonzero(~((found >= 0.0) & (found <= LATEST_TIME))).tolist():
        said = "missing" if cells[i] in (None, "") else repr(str(cells[i])[:40])
        bad.setdefault(i, ("time", f"{column} is {said}"))
    return found


def _moment(cell: Any) -> float:
    """Seconds since the epoch of one cell, NaN when it is no time."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(str(cell).strip())
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
