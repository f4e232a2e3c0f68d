"""One bad value costs that value, and not the observation: what is no number becomes missing, what is no feature is
left out, and both are counted. `bad_values = "refuse"` of an input refuses the observation.

Only what the typed readers refuse comes here, so a good message pays nothing. A message of which no value is left is
refused as before. A text that says a number is that number, "on" and "true" are 1, "off" and "false" 0.
"""

import json
import math
from collections import Counter
from typing import Any

import msgspec

from streamrnn.wire.incoming.forms import UNREADABLE

WORDS = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0, "yes": 1.0, "no": 0.0}
NOTHING = {"", "null", "none", "nan", "na", "n/a", "unknown", "unavailable", "undefined", "-", "?"}
TIME_KEYS = ("timestamp", "ts", "datetime", "date", "Time")  # under which others send what is `time` here

Notes = Counter[tuple[str, str]]  # (reason, name of the value): how many


class NotMendedError(Exception):
    """Nothing good is left of it, or its fault lies elsewhere."""


def mended(body: bytes, features: tuple[str, ...], as_json: bool, notes: Notes) -> bytes:
    """The message with what is bad under `values` left out or made missing; notes say what. Raises NotMendedError."""
    found: Notes = Counter()
    try:
        message = json.loads(body) if as_json else msgspec.msgpack.decode(body)
        values = message["values"] if isinstance(message, dict) else None
        if isinstance(values, dict):
            message["values"] = kept = _by_name(values, features, found)
            good = any(_is_good(cell) for cell in kept.values())
        elif isinstance(values, list) and len(values) == len(features):
            message["values"] = listed = [_cell(cell, name, found) for name, cell in zip(features, values, strict=True)]
            good = any(_is_good(cell) for cell in listed)
        else:
            raise NotMendedError
        if not good:
            raise NotMendedError
        made = msgspec.json.encode(message) if as_json else msgspec.msgpack.encode(message)
    except (KeyError, *UNREADABLE):
        raise NotMendedError from None
    notes.update(found)
    return made


def named_otherwise(body: bytes) -> str | None:
    """The key under which an observation without `time` brings one, if it does."""
    return next((key for key in TIME_KEYS if f'"{key}"'.encode() in body), None)


def _by_name(values: dict[Any, Any], features: tuple[str, ...], notes: Notes) -> dict[str, Any]:
    kept = {}
    for name, cell in values.items():
        if name in features:
            kept[name] = _cell(cell, name, notes)
        else:
            notes["unknown_feature", str(name)[:64]] += 1
    return kept


def _cell(cell: Any, name: str, notes: Notes) -> Any:
    """A number or None; of columns a list of them."""
    if isinstance(cell, list):
        return [_cell(each, name, notes) for each in cell]
    number, reason = _number(cell)
    if reason:
        notes[reason, name] += 1
    return number


def _number(cell: Any) -> tuple[float | None, str]:
    """The number that a cell says, and why it says none."""
    if cell is None:
        return None, ""
    if isinstance(cell, str):
        text = cell.strip().lower()
        if text in NOTHING:
            return None, ""
        try:
            cell = WORDS[text] if text in WORDS else float(text)
        except ValueError:
            return None, "type"
    if not isinstance(cell, int | float):
        return None, "type"
    try:
        return (float(cell), "") if math.isfinite(cell) else (None, "not_finite")
    except OverflowError:
        return None, "out_of_range"


def _is_good(cell: Any) -> bool:
    return any(map(_is_good, cell)) if isinstance(cell, list) else cell is not None
