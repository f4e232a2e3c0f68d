"""Cells of a recorded file: text or JSON values to numbers and times, a whole column at once.

Missing is NaN. A cell that cannot be used marks its row in `bad`: index -> (reason, detail); the reasons are those of
the daemon's refusals. How texts are read as numbers, and which mean that there is none, is a `Reading`.
"""

import operator
import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any, NamedTuple

import numpy as np

from streamrnn.messages import Floats, Ints
from streamrnn.recordings import moments
from streamrnn.wire.incoming.columns import LARGEST_VALUE, LATEST_TIME

MISSING = {  # words for "no value", in lower case
    *("", "na", "n/a", "#n/a", "nan", "null", "nil", "none", "-", "--", "---", "?", ".", "*", "missing", "unknown"),
    *("unavailable", "undefined", "no data", "nodata", "n/v", "k.a."),
}
WORDS = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0, "yes": 1.0, "no": 0.0}
GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")  # 1,234.5

Bad = dict[int, tuple[str, str]]


class Reading(NamedTuple):
    """How a text is read: the sign before the fractions, what means "no value", what stands for a number."""

    decimal: str = "."
    missing: set[str] = MISSING
    words: dict[str, float] = WORDS

    def number(self, cell: Any) -> float:
        """A cell as a number, NaN where it is missing. Raises ValueError where it is none."""
        if cell is None:
            return np.nan
        if not isinstance(cell, str):
            return _float(cell)
        text = cell.strip().lower()
        if text in self.missing:
            return np.nan
        if text in self.words:
            return self.words[text]
        if self.decimal == ",":
            text = text.replace(".", "").replace(",", ".") if "," in text else text
        elif GROUPED.fullmatch(text):
            text = text.replace(",", "")
        return _float(text.removesuffix("%"))


PLAIN = Reading()
USUAL = moments.reader("", UTC)


def numbers(cells: Sequence[Any], column: str, bad: Bad, reading: Reading = PLAIN) -> Floats:
    """A column of numbers, NaN where a cell is missing."""
    try:
        if reading.decimal != "." or reading.words.keys() - WORDS:
            raise ValueError("cells have to be read one by one")
        found = np.array(cells, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.array([_number(cell, i, column, bad, reading) for i, cell in enumerate(cells)], np.float64)
    for i in np.flatnonzero(np.isinf(found)).tolist():
        bad.setdefault(i, ("not_finite", f"{column} is {cells[i]}"))
    for i in np.flatnonzero(np.isfinite(found) & (np.abs(found) > LARGEST_VALUE)).tolist():
        bad.setdefault(i, ("out_of_range", f"{column} is {cells[i]}, beyond 1e30"))
    return found


def _number(cell: Any, i: int, column: str, bad: Bad, reading: Reading) -> float:
    try:
        return reading.number(cell)
    except ValueError:
        bad.setdefault(i, ("type", f"{column} is {str(cell)[:40]!r}"))
        return np.nan


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


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


def times(cells: Sequence[Any], column: str, bad: Bad, moment: moments.Moment | None = None) -> Floats:
    """A column of times in seconds since the epoch, read by `moment`; without it numbers, their unit told by their
    size, and ISO 8601 (UTC unless it says)."""
    try:
        if moment is not None:
            raise ValueError("cells have to be read one by one")
        found = np.array([moments.seconds(x) for x in np.array(cells, np.float64).tolist()], np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.array([_moment(cell, moment or USUAL) for cell in cells], np.float64)
    for i in np.flatnonzero(~((found >= 0.0) & (found <= LATEST_TIME))).tolist():
        said = "missing" if cells[i] in (None, "") else repr(str(cells[i])[:40])
        bad.setdefault(i, ("time", f"{column} is {said}"))
    return found


def _moment(cell: Any, moment: moments.Moment) -> float:
    """Seconds since the epoch of one cell, NaN when it is no time."""
    return moments.seconds(float(cell)) if isinstance(cell, int | float) else moment(str(cell))
