"""Texts as times: which format a column has, and the seconds since the epoch that a cell says.

A format is looked for among the usual ones by trying them on the first cells. Where day and month could be either way
round, the order in which times rise decides, and day first where that does not.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

DATES = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%y", "%Y%m%d"),
)
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S%z", "%H:%M%z", "%H.%M", "%H%M%S")
STAMP = re.compile(  # a date, and a time of the day behind it
    r"(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}|[A-Za-z]{3} \d{1,2},? \d{4}|\d{8})"
    r"(?:(,? |T|-|:)?(\d{1,2}[:.]\d\d.*|\d{6}))?"
)
CLOCK = re.compile(r"\d{1,2}[:.]\d\d.*|\d{6}")
ISO = "iso8601"  # what datetime.fromisoformat reads
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # above: nanoseconds, microseconds, milliseconds since the epoch

Moment = Callable[[str], float]


def zone(name: str) -> tzinfo:
    """The zone of a name; UTC for none."""
    return ZoneInfo(name) if name else UTC


def seconds(number: float) -> float:
    """A number since the epoch in seconds, its unit told by its size: 1e11 milliseconds are March 1973."""
    for above, unit in UNITS:
        if number > above:
            return number / unit
    return number


def reader(form: str, where: tzinfo) -> Moment:
    """From a cell to seconds since the epoch, NaN when it is none, in a format; "" takes numbers and ISO 8601.

    Of an hour that a change of clocks brings twice the second is meant when the time before was later.
    """
    last = -np.inf

    def moment(cell: str) -> float:
        nonlocal last
        try:
            found = read(cell, form)
        except ValueError:
            return np.nan
        if isinstance(found, float):
            return found
        if found.tzinfo:
            return found.timestamp()
        first = found.replace(tzinfo=where).timestamp()
        second = found.replace(tzinfo=where, fold=1).timestamp()
        last = second if first < last <= second else first
        return last

    return moment


def read(cell: str, form: str) -> datetime | float:
    """A cell in a format. Raises ValueError."""
    text = cell.strip()
    if form in ("", ISO):
        try:
            return seconds(float(text)) if not form else datetime.fromisoformat(text)
        except ValueError:
            return datetime.fromisoformat(_short(text))
    return datetime.strptime(text, form)


def _short(text: str) -> str:
    """With at most six digits of a second, which is what a datetime holds."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return head + dot + rest[: min(digits, 6)] + rest[digits:] if dot and digits > 6 else text


def format_of(cells: Sequence[str]) -> str | None:
    """The format that all of these cells have: "" numbers since the epoch, ISO, one of strptime, None for none."""
    cells = [cell.strip() for cell in cells if cell.strip()]
    if not cells:
        return None
    plain = all(cell.isdecimal() for cell in cells)
    if plain and all(len(cell) == 8 and cell[:2] in ("19", "20") for cell in cells) and _all(cells, "%Y%m%d"):
        return "%Y%m%d"
    if not plain and _all(cells, ISO):
        return ISO
    return "" if _epoch(cells) else _written(cells)


def _written(cells: Sequence[str]) -> str | None:
    """The format of dates and times as people write them."""
    found = STAMP.fullmatch(cells[0])
    if found is None:
        return None
    date, gap, clock = found[1], found[2] or "", found[3] or ""
    dates = [form for form in DATES if _all([date], form)]
    clocks = [form for form in CLOCKS if _all([clock], form)] if clock else [""]
    good = [form for form in (date + gap + clock for date in dates for clock in clocks) if _all(cells, form)]
    return min(good, key=lambda form: _falls(cells, form), default=None)


def is_clock(cells: Sequence[str]) -> bool:
    """Whether all of these cells are times of a day, without a date."""
    cells = [cell.strip() for cell in cells if cell.strip()]
    return bool(cells) and bool(CLOCK.fullmatch(cells[0])) and any(_all(cells, form) for form in CLOCKS)


def _epoch(cells: Sequence[str]) -> bool:
    """Whether these are stamps between 1990 and 2100."""
    try:
        return all(6.3e8 <= seconds(float(cell)) <= 4.1e9 for cell in cells)
    except ValueError:
        return False


def _all(cells: Sequence[str], form: str) -> bool:
    try:
        for cell in cells:
            read(cell, form)
    except ValueError:
        return False
    return True


def _falls(cells: Sequence[str], form: str) -> int:
    """How often a time is before the one above it."""
    found = [read(cell, form) for cell in cells]
    return sum(b < a for a, b in pairwise(found))  # type: ignore[operator]
