"""Recorded observations: a CSV or NDJSON file with names, read in batches and never as a whole; of events also a text,
an event a line or a byte.

A row that cannot be used is refused, counted by reason and left out, as the daemon would do with a message; the first
refusal is kept in words. A cell of a feature that is no number costs that value and not the row, unless the row has no
other. A file of which nothing can be used is damaged or mapped wrongly, and that is an error.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from streamrnn.config.schema import Columns, Config
from streamrnn.messages import END, LABEL_ONLY, STAMPED, Batch, Floats, digest
from streamrnn.model.covariates import coming
from streamrnn.recordings import moments
from streamrnn.recordings.cells import MISSING, WORDS, Bad, Reading, counts, numbers, times
from streamrnn.recordings.sniff import Sheet, encoding_of, nearest, sheet_of, unknown
from streamrnn.recordings.source import STDIN, FileError, Source, suffix
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
    ".tsv": Form.TABLE,
    ".ndjson": Form.TABLE,
    ".jsonl": Form.TABLE,
    ".log": Form.LINES,
    ".txt": Form.LINES,
}

Table = dict[str, Sequence[Any]]
Mask = NDArray[np.bool_]


@dataclass
class Tally:
    """What has been read so far. `position` is in bytes; `odd` counts cells that are no numbers, by column."""

    read: int = 0
    accepted: int = 0
    position: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: str = ""
    odd: Counter[str] = field(default_factory=Counter)
    first_odd: dict[str, str] = field(default_factory=dict)


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
        self.form = form or _form_of(path, bool(features) and not events)
        self.path, self.source = path, Source(path)
        if self.form is Form.TEMPLATES:
            miner()  # says at once when what finds them is not installed
        self._named = bool(features) or events  # by the configuration
        if self.form is not Form.TABLE:
            events, columns = True, Columns(name=columns.name, time=None)
        self.columns = structs.replace(columns, event=columns.event or "event") if events else columns
        self.features, self.ahead = tuple(features), tuple(ahead)
        self.tally, self.bytes = Tally(), self.source.size
        self.sheet = sheet_of(self.source.head, columns) if self.form is Form.TABLE and not self._objects else None
        self._latest = 0.0  # time of the row before
        self._reading, self._moment = _cells_of(columns, self.sheet)
        if self.sheet and self.sheet.names:
            self._resolve(list(self.sheet.names))

    @cached_property
    def _objects(self) -> bool:
        """Whether a table is one of JSON objects, a line each."""
        return suffix(self.path) in (".ndjson", ".jsonl") or self.source.head.lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"{"

    @property
    def told(self) -> str:
        """What was concluded of the form of the file, in one line; "" for objects and events."""
        return f"{self.path.name}: {self.sheet.told}" if self.sheet else ""

    def batches(self, size: int = BATCH) -> Iterator[Batch]:
        """The file from the start, at most `size` rows at a time. Raises FileError."""
        of_tables = self._ndjson if self._objects else self._csv
        read = {Form.TABLE: of_tables, Form.BYTES: self._bytes}.get(self.form, self._text)
        with self.source.open() as file:
            for table, lines in read(file, size):
                self.tally.position = self.source.position
                batch = self._batch(table, lines)
                self.tally.accepted += len(batch)
                if len(batch):
                    yield batch
        self.tally.position = self.source.position
        if self.tally.accepted:
            return
        if self.tally.first_refusal:
            raise FileError(f"{self.path}: nothing to use: {self.tally.first_refusal}", MAPPING_HINT)
        why = "only a header and no rows" if self.source.head.strip() else "empty"
        raise FileError(f"{self.path}: the file is {why}", "record some observations first")

    def _lines(self, file: BinaryIO, newline: str | None = "\n") -> Iterator[str]:
        encoding = (self.columns.encoding or encoding_of(self.source.head)) if self.form is Form.TABLE else "utf-8-sig"
        text = io.TextIOWrapper(file, encoding, errors="replace", newline=newline)
        try:
            yield from text
        finally:
            with suppress(ValueError):  # closed already, where the reader stopped early
                text.detach()  # or it would close the file, whose position is asked for

    def _csv(self, file: BinaryIO, size: int) -> Iterator[tuple[Table, list[int]]]:
        sheet = self.sheet
        assert sheet is not None
        lines = self._lines(file, newline=None)  # any end of a line is one, a carriage return alone too
        reader = csv.reader(lines, delimiter=sheet.delimiter, skipinitialspace=True)
        rows = self._rows(reader)
        rows = islice(rows, int(sheet.header), None)
        if sheet.names:
            self._resolve(list(sheet.names))
        while chunk := list(islice(rows, size)):
            kept = []
            for line, row in chunk:
                if len(row) == len(sheet.names):
                    kept.append((line, row))
                else:
                    self._refuse("schema", line, f"{len(row)} cells under {len(sheet.names)} names")
            self.tally.read += len(kept)
            cells = list(zip(*(row for _, row in kept), strict=True)) or [()] * len(sheet.names)
            yield dict(zip(sheet.names, cells, strict=True)), [line for line, _ in kept]

    def _rows(self, reader: Any) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank, with their lines; one that is no CSV is refused."""
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._refuse("malformed", reader.line_num, str(error))
                continue
            if row:
                yield reader.line_num, row

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
        sheet = self.sheet
        if not self._named:
            self.features = sheet.features(ROLES) if sheet else tuple(name for name in header if name not in ROLES)
            roles = {role: role if role in header else None for role in ("stream", "event", "label", "id")}
            self.columns = structs.replace(self.columns, **roles)
        if sheet is None:
            return  # an object may leave out what it does not know
        if not self._named:
            stream = self.columns.stream or sheet.stream(ROLES)
            self.columns = structs.replace(self.columns, stream=stream, time=sheet.time)
        missing = [name for name in self._wanted(sheet) if name not in header]
        if missing and not sheet.header and not self.columns.names and self._named:
            self._by_place(sheet)
        elif missing:
            raise FileError(f"{self.path}: {unknown(missing[0], sheet)}", nearest(missing[0], header, MAPPING_HINT))

    def _wanted(self, sheet: Sheet) -> list[str]:
        """The columns that have to be there."""
        given = self.columns
        names = [given.features.get(name, name) for name in self.features]
        names += [name for name in (given.stream, given.event, given.label, given.id) if name]
        names += [] if sheet.time or given.time is None else [given.time] if isinstance(given.time, str) else given.time
        return [name.strip() for name in names]

    def _by_place(self, sheet: Sheet) -> None:
        """Without a header: the features are the columns of numbers in their order, where there are as many."""
        columns = [name for name in sheet.names if name not in sheet.time and sheet.numeric(name)]
        if len(columns) != len(self.features) or not (sheet.time or self.columns.time is None):
            raise FileError(
                f"{self.path}: no row names the columns", "name them in order: names = [..] under [columns]"
            )
        self.columns = structs.replace(self.columns, features=dict(zip(self.features, columns, strict=True)))

    def _refuse(self, reason: str, line: int, detail: str) -> None:
        self.tally.refused[reason] += 1
        self.tally.first_refusal = self.tally.first_refusal or f"line {line}: {reason}: {detail}"

    def _batch(self, table: Table, lines: list[int]) -> Batch:
        n = len(lines)
        bad: Bad = {}
        odd: list[Bad] = [{} for _ in self.features]
        values = np.empty((n, len(self.features)))
        for j, name in enumerate(self.features):
            column = self.columns.features.get(name, name).strip()
            values[:, j] = numbers(table.get(column, [None] * n), column, odd[j], self._reading)
        self._excuse(odd, bad, values)
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

    def _excuse(self, odd: list[Bad], bad: Bad, values: Floats) -> None:
        """Count cells that are no numbers; a row is bad by them where they are refused, or where it has no other."""
        for j, (name, cells) in enumerate(zip(self.features, odd, strict=True)):
            self.tally.odd[name] += len(cells)
            for i, (_, detail) in cells.items():
                self.tally.first_odd.setdefault(name, detail)
                values[i, j] = np.nan
        for cells in odd:
            for i, told in cells.items():
                if self.columns.bad_cell == "refuse" or np.isnan(values[i]).all():
                    bad.setdefault(i, told)

    def _times(self, table: Table, late: Mask, bad: dict[int, tuple[str, str]]) -> tuple[Floats, Mask]:
        """The times, and which of them no cell said: a `late` label may come without, as it does to the daemon. It
        gets that of the row before."""
        n = len(late)
        names = self.sheet.time if self.sheet else (self.columns.time or ())
        names = (names,) if isinstance(names, str) else names
        if not names:
            seconds = np.arange(self.tally.read - n, self.tally.read, dtype=np.float64)
            return seconds, np.full(n, self.form is not Form.TABLE)
        columns = [table.get(name, [None] * n) for name in names]
        cells = columns[0] if len(names) == 1 else [" ".join(map(str, parts)) for parts in zip(*columns, strict=True)]
        stamped = late & np.array([cell in (None, "") for cell in cells], np.bool_)
        if stamped.any():
            cells = [0.0 if missing else cell for cell, missing in zip(cells, stamped, strict=True)]
        found = times(cells, " and ".join(names), bad, self._moment)
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


def _cells_of(columns: Columns, sheet: Sheet | None) -> tuple[Reading, moments.Moment | None]:
    """How numbers and times are read; None for times in their usual forms."""
    missing = MISSING | {word.lower() for word in columns.missing}
    words = WORDS | {word.lower(): number for word, number in columns.words.items()}
    reading = Reading((sheet.decimal if sheet else columns.decimal) or ".", missing, words)
    form = columns.time_format or (sheet.time_format if sheet else "")
    plain = form in ("", moments.ISO) and columns.timezone == "UTC"
    return reading, None if plain else moments.reader(form, moments.zone(columns.timezone))


def _form_of(path: Path, numbers: bool) -> Form:
    """What a file is, by its ending; with `numbers` a text file is a table, as standard input is."""
    ending = suffix(path)
    if str(path) == STDIN or (numbers and ending in ("", ".txt", ".log", ".dat", ".data")):
        return Form.TABLE
    if ending in (".parquet", ".arrow", ".feather", ".xls", ".xlsx"):
        raise FileError(f"{path}: {ending} is not read", "write it as CSV, which any program that reads it can")
    if ending not in FORMS:
        raise FileError(f"{path}: not a {', '.join(FORMS)} file", "rename it after what it holds, or say --as")
    return FORMS[ending]
