"""Recorded observations: a CSV or NDJSON file with names, read in batches and never as a whole; of events also a text,
an event a line or a byte.

A row that cannot be used is refused, counted by reason and left out, as the daemon would do with a message; the first
refusal is kept in words. A file of which nothing can be used is damaged or mapped wrongly, and that is an error.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from streamrnn.config.schema import Columns, Config
from streamrnn.errors import EXIT_DATA, StreamrnnError
from streamrnn.messages import END, LABEL_ONLY, STAMPED, Batch, Floats, digest
from streamrnn.model.covariates import coming
from streamrnn.recordings.cells import Bad, counts, numbers, times
from streamrnn.recordings.templates import miner
from streamrnn.wire.incoming.forms import SYMBOL_BYTES

BATCH = 4096  # rows in one batch: memory stays small and the engine's call is long enough to be worth it
ROLES = ("stream", "time", "event", "label", "id", "seq", "end")  # keys of the wire form that are no features
MAPPING_HINT = "name the columns under [columns] in the configuration"


class Form(StrEnum):
    """What a file is."""

    TABLE = "table"
    LINES = "lines"
    TEMPLATES = "templates"
    BYTES = "bytes"


FORMS = {
    ".csv": Form.TABLE,
    ".ndjson": Form.TABLE,
    ".jsonl": Form.TABLE,
    ".log": Form.LINES,
    ".txt": Form.LINES,
}

Table = dict[str, Sequence[Any]]
Mask = NDArray[np.bool_]


class FileError(StreamrnnError):
    """The input file's: nothing in it can be used; exit 65."""

    exit_code = EXIT_DATA


@dataclass
class Tally:
    """What has been read so far. `position` is in bytes."""

    read: int = 0
    accepted: int = 0
    position: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: str = ""


class Rows:
    """A file of observations. Without `features` the names decide: those of ROLES are what they say, all others are
    features. With `events` each is one, numbers are their context.

    `form` is "table" (names over columns, or in objects), "lines", the "templates" of lines, or "bytes": an event each,
    without a time. `ahead` names the columns of what is known ahead, like "holiday+24"; an object has them as the wire
    form, under `future`.
    """

    def __init__(
        self, path: Path, columns: Columns, features: Sequence[str] = (), events: bool = False,
        form: Form | None = None, ahead: Sequence[str] = (),
    ) -> None:  # fmt: skip
        found = form or FORMS.get(path.suffix.lower())
        if found is None:
            raise FileError(f"{path}: not a {', '.join(FORMS)} file", "rename it after what it holds, or say --as")
        self.path, self.form = path, found
        self._named = bool(features) or events  # by the configuration
        if self.form is not Form.TABLE:
            events, columns = True, Columns(name=columns.name, time=None)
        self.columns = structs.replace(columns, event=columns.event or "event") if events else columns
        self.features, self.ahead = tuple(features), tuple(ahead)
        self.tally = Tally()
        self._latest = 0.0  # time of the row before
        try:
            self.bytes = path.stat().st_size
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror}", "give the path of a CSV or NDJSON file") from None

    def batches(self, size: int = BATCH) -> Iterator[Batch]:
        """The file from the start, at most `size` rows at a time. Raises FileError."""
        of_tables = self._csv if self.path.suffix.lower() == ".csv" else self._ndjson
        read = {Form.TABLE: of_tables, Form.BYTES: self._bytes}.get(self.form, self._text)
        with self.path.open("rb") as file:
            for table, lines in read(file, size):
                batch = self._batch(table, lines)
                self.tally.accepted += len(batch)
                if len(batch):
                    yield batch
        if self.tally.accepted:
            return
        if self.tally.first_refusal:
            raise FileError(f"{self.path}: nothing to use: {self.tally.first_refusal}", MAPPING_HINT)
        with self.path.open("rb") as file:
            why = "only a header and no rows" if file.read(4096).strip() else "empty"
        raise FileError(f"{self.path}: the file is {why}", "record some observations first")

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        for line in file:
            self.tally.position += len(line)
            yield line.decode("utf-8", errors="replace").removeprefix("\ufeff")

    def _csv(self, file: BinaryIO, size: int) -> Iterator[tuple[Table, list[int]]]:
        reader = csv.reader(self._lines(file))
        header = [name.strip() for name in next((row for row in reader if row), [])]
        if header:
            self._resolve(header)
        while chunk := [(reader.line_num, row) for row in islice(reader, size)]:
            kept = []
            for line, row in chunk:
                if len(row) == len(header):
                    kept.append((line, row))
                elif row:  # a blank line is nothing
                    self._refuse("schema", line, f"{len(row)} cells under {len(header)} names")
            self.tally.read += len(kept)
            cells = list(zip(*(row for _, row in kept), strict=True)) or [()] * len(header)
            yield dict(zip(header, cells, strict=True)), [line for line, _ in kept]

    def _text(self, file: BinaryIO, size: int) -> Iterator[tuple[Table, list[int]]]:
        """An event a line that is not blank, or its template; of a long one the beginning."""
        said = miner() if self.form is Form.TEMPLATES else str
        lines = enumerate((line.rstrip("\r\n") for line in self._lines(file)), start=1)
        while chunk := list(islice(lines, size)):
            kept = [(number, _cut(said(line))) for number, line in chunk if line.strip()]
            self.tally.read += len(kept)
            yield {"event": [line for _, line in kept]}, [number for number, _ in kept]

    def _bytes(self, file: BinaryIO, size: int) -> Iterator[tuple[Table, list[int]]]:
        """An event a byte: its number."""
        while chunk := file.read(size):
            self.tally.read += len(chunk)
            self.tally.position += len(chunk)
            yield {"event": list(chunk)}, list(range(self.tally.read - len(chunk) + 1, self.tally.read + 1))

    def _ndjson(self, file: BinaryIO, size: int) -> Iterator[tuple[Table, list[int]]]:
        lines = enumerate(self._lines(file), start=1)
        resolved = False
        while chunk := list(islice(lines, size)):
            kept = [(line, row) for line, text in chunk if text.strip() and (row := self._object(line, text))]
            names = list(dict.fromkeys(name for _, row in kept for name in row))
            if not resolved and kept:
                self._resolve(names)
                resolved = True
            self.tally.read += len(kept)
            wanted = {*names, *self.ahead, *self.features, *self.columns.features.values()}
            yield {name: [row.get(name) for _, row in kept] for name in wanted}, [line for line, _ in kept]

    def _object(self, line: int, text: str) -> dict[str, Any]:
        """One line as a flat object: `values` of the wire form are spread out."""
        try:
            row = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            self._refuse("malformed", line, str(error))
            return {}
        values = row.pop("values", {})
        if isinstance(values, list):
            values = dict(zip(self.features, values, strict=False))
        future = row.pop("future", None)
        for name, told in future.items() if self.ahead and isinstance(future, dict) else ():
            columns = [column for column in self.ahead if column.rpartition("+")[0] == name]
            values |= dict(zip(columns, told if isinstance(told, list) else (), strict=False))
        return {**row, **values} if isinstance(values, dict) else row

    def _resolve(self, header: list[str]) -> None:
        """Settle which columns play a role; a name that was asked for and is not there is an error."""
        if not self._named:
            self.features = tuple(name for name in header if name not in ROLES)
            roles = {role: role if role in header else None for role in ("stream", "event", "label", "id")}
            self.columns = structs.replace(self.columns, **roles)
        given = self.columns
        if self.path.suffix.lower() != ".csv":
            return  # an object may leave out what it does not know
        wanted = [given.features.get(name, name) for name in self.features]
        wanted += [name for name in (given.stream, given.time, given.event, given.label, given.id) if name]
        if missing := [name for name in wanted if name not in header]:
            names = ", ".join(repr(name) for name in header[:20])
            raise FileError(f"{self.path}: no column {missing[0]!r}; there are {names}", MAPPING_HINT)

    def _refuse(self, reason: str, line: int, detail: str) -> None:
        self.tally.refused[reason] += 1
        self.tally.first_refusal = self.tally.first_refusal or f"line {line}: {reason}: {detail}"

    def _batch(self, table: Table, lines: list[int]) -> Batch:
        n = len(lines)
        bad: dict[int, tuple[str, str]] = {}
        values = np.empty((n, len(self.features)))
        for j, name in enumerate(self.features):
            column = self.columns.features.get(name, name)
            values[:, j] = numbers(table.get(column, [None] * n), column, bad)
        future = np.full((n, len(self.ahead)), np.nan)
        for j, name in enumerate(self.ahead):
            future[:, j] = numbers(table.get(name, [None] * n), name, bad)
        label = np.full(n, np.nan)
        events = _events(table.get(self.columns.event, [None] * n), bad) if self.columns.event else None
        if self.columns.label:
            label = numbers(table.get(self.columns.label, [None] * n), self.columns.label, bad)
        idents = self._idents(table, n)
        only = (
            np.full(n, events is None)
            & np.isnan(values).all(axis=1)
            & ~np.isnan(label)
            & np.array([text != "" for text in idents], np.bool_)
        )
        time, stamped = self._times(table, only, bad)
        seq = counts(table["seq"], "seq", bad) if "seq" in table else np.full(n, -1, np.int64)
        end = numbers(table.get("end", [None] * n), "end", bad)
        for i in sorted(bad):
            self._refuse(bad[i][0], lines[i], bad[i][1])
        keep = np.array([i for i in range(n) if i not in bad], np.int64)
        runs = [(name, len(list(run))) for name, run in groupby(self._names(table, keep))]
        ident = np.array([digest(idents[i]) if idents[i] else 0 for i in keep], np.int64)
        return Batch(
            names=[name for name, _ in runs],
            lengths=np.array([length for _, length in runs], np.int64),
            columnar=[length > 1 for _, length in runs],
            time=time[keep],
            values=np.ascontiguousarray(values[keep]),
            label=label[keep],
            ident=ident,
            seq=seq[keep],
            event=None if events is None else np.array([digest(events[i]) for i in keep], np.int64),
            symbols={} if events is None else {digest(events[i]): events[i] for i in keep},
            bits=LABEL_ONLY * only[keep] + STAMPED * stamped[keep] + END * (end[keep] > 0),
            ids={j: idents[i] for j, i in enumerate(keep) if idents[i]},
            future=np.ascontiguousarray(future[keep]) if self.ahead else None,
        )

    def _times(self, table: Table, late: Mask, bad: dict[int, tuple[str, str]]) -> tuple[Floats, Mask]:
        """The times, and which of them no cell said: a `late` label may come without, as it does to the daemon. It
        gets that of the row before."""
        n = len(late)
        if self.columns.time is None:
            seconds = np.arange(self.tally.read - n, self.tally.read, dtype=np.float64)
            return seconds, np.full(n, self.form is not Form.TABLE)
        cells = table.get(self.columns.time, [None] * n)
        stamped = late & np.array([cell in (None, "") for cell in cells], np.bool_)
        if stamped.any():
            cells = [0.0 if missing else cell for cell, missing in zip(cells, stamped, strict=True)]
        found = times(cells, self.columns.time, bad)
        for i in range(n):
            if stamped[i]:
                found[i] = self._latest
            elif i not in bad:
                self._latest = float(found[i])
        return found, stamped

    def _names(self, table: Table, keep: Any) -> Iterator[str]:
        column = self.columns.stream
        if column is None or column not in table:
            return iter([self.columns.name] * len(keep))
        cells = table[column]
        return (str(cells[i]) if cells[i] not in (None, "") else self.columns.name for i in keep)

    def _idents(self, table: Table, n: int) -> list[str]:
        cells = table.get(self.columns.id or "", [None] * n)
        return ["" if cell is None else str(cell) for cell in cells]


def configured(path: Path, config: Config, form: Form | None = None) -> Rows:
    """The rows of a file under a configuration. Raises FileError."""
    model = config.model
    ahead = [f"{name}+{step}" for name in coming(model) for step in model.horizons]
    return Rows(path, config.columns, model.features, model.task == "events", form, ahead)


def _events(cells: Sequence[Any], bad: Bad) -> list[str | int]:
    """A column of symbols; an empty text where a cell is none."""
    found: list[str | int] = []
    for i, cell in enumerate(cells):
        good = isinstance(cell, str | int) and not isinstance(cell, bool)
        if good and isinstance(cell, int):
            good = -(2**63) <= cell < 2**63
        if not good or not 0 < len(str(cell).encode("utf-8", "surrogatepass")) <= SYMBOL_BYTES:
            bad.setdefault(i, ("event", f"{str(cell)[:40]!r} is no event of 1 to {SYMBOL_BYTES} bytes"))
        found.append(cell if good else "")
    return found


def _cut(line: str) -> str:
    return line.encode()[:SYMBOL_BYTES].decode(errors="ignore")
