"""Why a message could not be read: msgspec's complaint in the words of our closed set of reasons."""

import re

import msgspec

from streamrnn.errors import WireError

_BYTE = re.compile(r"invalid character \(byte (\d+)\)")
_PATH = re.compile(r" - at `(?:key` in `)?\$(?:\[\d+\])?\.?([^`]*)`")
_NOT_NUMBERS = (b"NaN", b"Infinity", b"nan", b"inf")
_HINT = "send null for a missing value"


def explain(error: Exception, body: bytes) -> WireError:
    """The refusal that a reader's error on `body` amounts to."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        path = _PATH.search(text)
        return WireError(_invalid(text, path[1] if path else ""), text)
    if isinstance(error, UnicodeDecodeError):
        return WireError("malformed", "text that is not UTF-8")
    if isinstance(error, RecursionError):
        return WireError("malformed", "nested too deeply")
    if isinstance(error, MemoryError):
        return WireError("malformed", "a length that cannot be true")
    position = _BYTE.search(text)
    if position and body[int(position[1]) :].startswith(_NOT_NUMBERS):
        return WireError("not_finite", f"{text}: not a finite number", _HINT)
    return WireError("malformed", text)


def _invalid(text: str, path: str) -> str:
    """The reason for a message that can be read but is not an observation."""
    if path.startswith("feedback"):
        return "feedback"
    if text.startswith("Object contains unknown field"):
        return "unknown_feature"
    if "`array` of length" in text:
        return "schema" if path == "values" or path.startswith("future") else "too_many"
    if "out of range" in text or text.startswith(("Expected `int` <", "Expected `int` >", "Expected `str` of length")):
        return "time" if path.startswith("time") and "timestamp" in text else "out_of_range"
    if text.startswith("Invalid "):
        return "time"
    return next((key for key in ("label", "event") if path.startswith(key)), "type")
