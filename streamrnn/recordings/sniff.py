"""What a table in a text file looks like, concluded from its first rows where the configuration does not say it.

Encoding by byte-order mark, else UTF-8 where it fits, else Windows-1252. The delimiter is the one that gives nearly all
rows the same number of cells, at least two. The first row is a header unless one of its cells is a number or a time.
What was concluded is told in one line (`Sheet.told`), and every part of it can be set under `[columns]`.
"""

import codecs
import csv
import difflib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from streamrnn.config.schema import Columns
from streamrnn.recordings.cells import MISSING
from streamrnn.recordings.moments import format_of, is_clock
from streamrnn.recordings.source import HEAD

ROWS = 400  # that are looked at
DELIMITERS = ("\t", ";", "|", ",", " ")
NAMES = {"\t": "tab", " ": "blank"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMMA, POINT = (
    re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[-+]?\d+)?", re.I),
    re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?", re.I),
)
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)*|[.,]\d+)(e[-+]?\d+)?%?", re.I)
SAME = 0.9  # share of the rows that have as many cells as most
MOST = 0.5  # share of the cells of a column that are numbers, if it is one of numbers


class Sheet(NamedTuple):
    """How a table is read. `time` names the columns that make the time together, () where none does."""

    encoding: str
    delimiter: str
    decimal: str
    header: bool
    names: tuple[str, ...]
    time: tuple[str, ...]
    time_format: str
    rows: list[list[str]]  # the first ones

    @property
    def told(self) -> str:
        """In one line, what was concluded."""
        parts = [self.encoding, f"delimiter {NAMES.get(self.delimiter, self.delimiter)}", f"decimal {self.decimal}"]
        parts += [] if self.header else ["no header: columns " + ", ".join(self.names)]
        if self.time:
            form = self.time_format or "seconds or milliseconds since the epoch"
            parts.append(f"time {' and '.join(self.time)} ({'ISO 8601' if form == 'iso8601' else form})")
        return "; ".join(parts)

    def cells(self, name: str) -> list[str]:
        """The first cells of a column that are not missing."""
        place = self.names.index(name)
        return [row[place] for row in self.rows if row[place].strip().lower() not in MISSING]

    def numeric(self, name: str) -> bool:
        """Whether a column is one of numbers."""
        cells = self.cells(name)
        return bool(cells) and sum(bool(NUMBER.fullmatch(cell.strip())) for cell in cells) >= MOST * len(cells)

    def features(self, others: Collection[str]) -> tuple[str, ...]:
        """The columns of numbers that are neither the time nor named among `others`."""
        names = [name for name in self.names if name not in self.time and name not in others]
        return tuple(name for name in names if self.numeric(name) or not self.cells(name))

    def stream(self, others: Collection[str]) -> str | None:
        """The one column of texts that come again, if there is one: it names the streams."""
        found = []
        for name in self.names:
            cells = [] if name in self.time or name in others or self.numeric(name) else self.cells(name)
            if cells and len(cells) == len(self.rows) and len(set(cells)) <= len(cells) / 4:
                found.append(name)
        several = [name for name in found if len(set(self.cells(name))) > 1]
        return several[0] if len(several) == 1 else None


def encoding_of(head: bytes) -> str:
    """The name of the encoding of a file that begins so."""
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    if head[1:2] == b"\0" and head[:1] != b"\0":
        return "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def sheet_of(head: bytes, columns: Columns) -> Sheet:
    """How the table that begins so is read; what `columns` says stands."""
    encoding = columns.encoding or encoding_of(head)
    lines = head.decode(encoding, errors="replace").splitlines()
    whole = lines if len(head) < HEAD else lines[:-1]  # the last one may be cut
    lines = [line for line in whole if line.strip()][:ROWS]
    delimiter = columns.delimiter or _delimiter(lines)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    header, names = _named(rows, columns)
    body = [row for row in rows[header:] if len(row) == len(names)]
    made = Sheet(encoding, delimiter, columns.decimal or _decimal(body), header, names, (), "", body)
    time = _time(made) if columns.time == "time" and "time" not in names else _given(columns, names)
    together = [" ".join(parts) for parts in zip(*(made.cells(name) for name in time), strict=False)]
    return made._replace(time=time, time_format=columns.time_format or format_of(together) or "")


def _named(rows: Sequence[Sequence[str]], columns: Columns) -> tuple[bool, tuple[str, ...]]:
    """Whether the first row is a header, and the names of the columns."""
    first = rows[0] if rows else ()
    header = columns.header
    if header is None:
        header = not any(_is_value(cell) for cell in first)
    numbered = [f"column{place + 1}" for place in range(len(first))]
    return header, tuple(columns.names or (first if header else numbered))


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that divides nearly all lines alike, and the first of them so."""
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        usual, many = Counter(counts).most_common(1)[0] if counts else (0, 0)
        if usual > 1 and many >= SAME * len(counts) and counts[0] == usual:
            return delimiter
    return ","


def _is_value(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell)) or format_of([cell]) is not None


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    cells = [cell for row in rows for cell in row]
    commas = sum(bool(COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(POINT.fullmatch(cell)) for cell in cells)
    return "," if commas > points else "."


def _given(columns: Columns, names: Sequence[str]) -> tuple[str, ...]:
    """The columns of the time that the configuration names, where they are there."""
    wanted = (columns.time,) if isinstance(columns.time, str) else columns.time or ()
    return tuple(wanted) if all(name in names for name in wanted) else ()


def _time(sheet: Sheet) -> tuple[str, ...]:
    """The first column that holds dates, with the next one that holds times of the day where it has none."""
    for place, name in enumerate(sheet.names):
        cells = sheet.cells(name)
        form = format_of(cells[:50])
        if form is None or format_of(cells) is None:
            continue
        clocks = [other for other in sheet.names[place + 1 :] if is_clock(sheet.cells(other))]
        bare = all(len(cell) <= 11 and ":" not in cell for cell in cells) and form != ""
        return (name, clocks[0]) if bare and clocks else (name,)
    return ()


def unknown(name: str, sheet: Sheet) -> str:
    """A column that is not there, and what there is."""
    names = ", ".join(repr(name) for name in sheet.names[:20])
    alone = " (one column alone: is the delimiter another?)" if len(sheet.names) == 1 else ""
    return f"no column {name!r}; there are {names}{alone}"


def nearest(name: str, header: Sequence[str], hint: str) -> str:
    """The hint for a name that is not there."""
    near = difflib.get_close_matches(name.lower(), [each.lower() for each in header], 1)
    found = [each for each in header if near and each.lower() == near[0]]
    return f"did you mean {found[0]!r}? {hint}" if found else hint
