"""A message in two: what is known of it already, and the rest.

A producer that comes back may cut its observations into other messages than before, so one may begin with some that
the daemon has and go on with some that it has not. Both sides then go on behind what is known.
"""

from typing import Any

import msgspec
from msgspec import Raw

from streamrnn.wire.formats import format_of

_COLUMNS = ("time", "label", "id", "seq", "event", "end")  # beside `values` and `future`, which hold several each
_UNREADABLE = (ValueError, RecursionError, MemoryError, OverflowError)


def divided(body: bytes, count: int, at: int) -> tuple[bytes, bytes] | None:
    """The first `at` of the `count` observations in `body`, and the others, each as a message.

    None where they cannot be told apart: a single observation, another number of them than was said, an unknown form.
    """
    start = body.lstrip()[:1] or body[:1]
    form = format_of(start)
    if form is None or not 0 < at < count:
        return None
    codec = form.codec
    try:
        if start[0] in form.arrays:
            items = codec.decode(body, type=list[Raw])
            return (codec.encode(items[:at]), codec.encode(items[at:])) if len(items) == count else None
        if form.lines and (lines := _lines(body)) is not None:
            return (b"\n".join(lines[:at]), b"\n".join(lines[at:])) if len(lines) == count else None
        fields = codec.decode(body, type=dict[str, Raw])
        parts = [_rows(fields, codec, count, part) for part in (slice(at), slice(at, None))]
        return None if None in parts else (codec.encode(parts[0]), codec.encode(parts[1]))
    except _UNREADABLE:
        return None


def _lines(body: bytes) -> list[bytes] | None:
    """The lines of newline-delimited JSON, or None for a single thing (which may be written over several lines)."""
    try:
        msgspec.json.decode(body, type=Raw)
    except _UNREADABLE:
        lines = [line for line in body.split(b"\n") if line.strip()]
        return lines if len(lines) > 1 else None
    return None


def _rows(fields: dict[str, Raw], codec: Any, count: int, part: slice) -> dict[str, Any] | None:
    """Some rows of columns; None where a column has another length, or there is none."""
    rows: dict[str, Any] = {}
    found = 0
    for key, raw in fields.items():
        value: Any = codec.decode(raw) if key in ("values", "future", *_COLUMNS) else None
        if key in ("values", "future") and isinstance(value, dict | list):
            cut = _cut(value, count, part)
            if cut is None:
                return None
            rows[key], found = cut, found + 1
        elif _fits(value, count):
            rows[key], found = value[part], found + 1
        elif isinstance(value, list):
            return None
        else:
            rows[key] = raw
    if rows.get("end") is not None and part.start is None and not isinstance(rows["end"], list):
        del rows["end"]  # a single `true` marks the last row
    return rows if found else None


def _cut(value: dict[str, Any] | list[Any], count: int, part: slice) -> dict[str, Any] | list[Any] | None:
    """Some rows of all columns; None where one has another length."""
    columns: list[Any] = list(value.values()) if isinstance(value, dict) else value
    cut = [column and column[part] for column in columns if column is None or _fits(column, count)]
    if len(cut) < len(columns):
        return None
    return dict(zip(value, cut, strict=True)) if isinstance(value, dict) else cut


def _fits(column: Any, count: int) -> bool:
    return isinstance(column, list) and len(column) == count
