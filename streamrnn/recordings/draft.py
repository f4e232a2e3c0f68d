"""A configuration for a file that nobody has written one for: what the file says of itself, in commented TOML.

The columns of numbers are the features, the column of texts that come again names the streams. Horizons are the next
value and one further on: a day ahead where a day has at most MANY values, an hour where values come faster, a week
where they come a day apart. Preset "light" is for more streams than LIGHT: memory goes with their number. Where nothing
is negative, a target's forecasts are not either (`lower = 0`).
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from streamrnn.config import schema
from streamrnn.config.schema import Columns, Config
from streamrnn.messages import Batch, Floats
from streamrnn.recordings.rows import Form, Rows
from streamrnn.recordings.source import FileError

LOOKED = 200_000  # rows that are read
MANY, LIGHT, FEATURES = 96, 5000, 256
HOUR, DAY = 3600.0, 86_400.0


@dataclass
class Draft:
    """What a file says of itself."""

    rows: Rows
    streams: Counter[str] = field(default_factory=Counter)
    least: dict[str, float] = field(default_factory=dict)
    interval: float = 0.0  # usual seconds between the values of a stream; 0 unknown
    observations: int = 0

    @property
    def horizons(self) -> tuple[int, ...]:
        """The next value and one further on."""
        if not self.interval:
            return (1,)
        for span in (DAY, HOUR) if self.interval < DAY else (7 * DAY,):
            steps = round(span / self.interval)
            if 1 < steps <= MANY:
                return (1, steps)
        return (1,)

    @property
    def preset(self) -> str:
        """By the number of streams."""
        return "light" if len(self.streams) > LIGHT else "standard"

    @property
    def config(self) -> Config:
        """The configuration that `text` is. Raises ConfigError."""
        return schema.parse(self.text())

    @property
    def words(self) -> str:
        """What was concluded, in a sentence."""
        if self.rows.form is not Form.TABLE:
            return 'task "events", every line an event'
        features = ", ".join(self.rows.features[:8]) + (" and others" if len(self.rows.features) > 8 else "")
        return f"features {features}; {' and '.join(self._ahead())} ahead; preset {self.preset} (see streamrnn init)"

    def text(self) -> str:
        """Commented TOML."""
        return "\n".join([*self._model(), "", *self._columns(), *self._limits()]) + "\n"

    def _model(self) -> list[str]:
        rows, every = self.rows, _span(self.interval) if self.interval else "of unknown length"
        lines = [
            f"# Written by `streamrnn init {rows.path.name}`: {self.observations} rows of {len(self.streams)} streams, "
            f"a value {every}.",
            "# Every key: config/README.md; whether a file is right: `streamrnn check FILE`.",
            "[model]",
        ]
        if rows.form is not Form.TABLE:
            hint = "# Every line is an event. Of log lines say --as templates: numbers and names are left out."
            return [*lines, hint, 'task = "events"', "features = []"]
        lines += [
            "# The columns of numbers. What is only to be seen and not predicted: name the others in targets.",
            f"features = {_toml(list(rows.features))}",
            f"# Steps ahead: {' and '.join(self._ahead())}.",
            f"horizons = {list(self.horizons)}",
            f"# For {len(self.streams)} streams; light is the fastest, full has the lowest error.",
            f"preset = {_toml(self.preset)}",
        ]
        positive = [name for name in rows.features if self.least.get(name, -1.0) >= 0.0]
        if positive:
            bounds = ", ".join(f"{_toml(name)} = {{ lower = 0.0 }}" for name in positive)
            lines += ["# Nothing in the file is negative, so no forecast is.", f"feature = {{ {bounds} }}"]
        return lines

    def _ahead(self) -> list[str]:
        return [_span(step * self.interval) if self.interval else "the next value" for step in self.horizons]

    def _columns(self) -> list[str]:
        """How the file is read: what was concluded, said so that it can be changed."""
        rows, sheet = self.rows, self.rows.sheet
        lines = ["# How the file is read.", "[columns]"]
        if rows.columns.stream:
            lines.append(f"stream = {_toml(rows.columns.stream)}")
        else:
            lines.append(f"name = {_toml(rows.columns.name)}")
        if sheet is None:
            return lines
        lines += [f"delimiter = {_toml(sheet.delimiter)}", f"decimal = {_toml(sheet.decimal)}"]
        lines += [f"encoding = {_toml(sheet.encoding)}", f"header = {_toml(sheet.header)}"]
        lines += [] if sheet.header else [f"names = {_toml(list(sheet.names))}"]
        lines += [] if sheet.time else ["# No column holds times: a row a second."]
        lines.append(f"time = {_toml(sheet.time[0] if len(sheet.time) == 1 else list(sheet.time))}")
        if sheet.time_format not in ("", "iso8601"):
            lines.append(f"time_format = {_toml(sheet.time_format)}")
        return [*lines, "# Whose clocks the times are of, where they name no zone.", 'timezone = "UTC"']

    def _limits(self) -> list[str]:
        if len(self.streams) <= 500:
            return []
        return ["", "[limits]", f"max_streams = {2 * len(self.streams)}"]


def draft(path: Path, columns: Columns = Columns(), form: Form | None = None) -> Draft:  # noqa: B008
    """Look at a file. Raises FileError."""
    rows = Rows(path, Columns(name=path.stem.partition(".")[0]) if columns == Columns() else columns, form=form)
    made = Draft(rows)
    gaps: list[Floats] = []
    for batch in rows.batches():
        _note(made, batch)
        gaps.append(_gaps(batch))
        if made.observations >= LOOKED:
            break
    if rows.form is Form.TABLE and not 0 < len(rows.features) <= FEATURES:
        hint = "say what it is: delimiter, decimal or features under [columns] of a configuration"
        raise FileError(f"{path}: {len(rows.features)} columns of numbers, not 1 to {FEATURES}; {rows.told}", hint)
    every = np.concatenate(gaps)
    made.interval = float(np.median(every)) if len(every) else 0.0
    return made


def _note(made: Draft, batch: Batch) -> None:
    made.observations += len(batch)
    for name, length in zip(batch.names, batch.lengths.tolist(), strict=True):
        made.streams[name] += length
    with np.errstate(all="ignore"):
        for name, column in zip(made.rows.features, batch.values.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                made.least[name] = min(made.least.get(name, np.inf), float(known.min()))


def _gaps(batch: Batch) -> Floats:
    """Seconds between observations of the same stream that follow each other."""
    number = {name: place for place, name in enumerate(dict.fromkeys(batch.names))}
    stream = np.repeat([number[name] for name in batch.names], batch.lengths)
    order = np.argsort(stream, kind="stable")
    gaps, same = np.diff(batch.time[order]), np.diff(stream[order]) == 0
    return np.asarray(gaps[same & (gaps > 0.0)], np.float64)


def _span(seconds: float) -> str:
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", 60.0), ("second", 1.0)):
        if seconds >= length:
            count = round(seconds / length, 2)
            return f"{count:g} {unit}{'s' if count != 1 else ''}"
    return f"{seconds:g} seconds"


def _toml(value: str | bool | list[str]) -> str:
    """A value as TOML writes it; JSON's texts, numbers and lists are TOML's."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, msgspec.Struct) else ""
