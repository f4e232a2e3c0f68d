"""The text of an anomaly message: one line for an operator's phone, in the units and digits of the data."""

import math
from datetime import UTC, datetime

from streamrnn.wire.outgoing.messages import Anomaly

NAMED, LEAST = 3, 0.1  # sensors that are named, and the share of the score that a named one has at least
PLACES = 6  # decimal places; a longer number is the sender's arithmetic, and is cut to what the distance needs
SPANS = ((604_800.0, "week"), (86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))
MONITORS = {  # what is not seen by the value alone
    "joint": ", together as never before",
    "creep": ", the mean of the day has moved as no day before",
}
OVER = ("close", "regime_change")


def text(told: Anomaly, rate: float, interval: float) -> str:
    """Stream, severity, what is wrong, since when, and how rare it is.

    `rate`: how often ordinary data bring this, an observation; `interval`: seconds between observations. Both may be
    unknown (NaN, 0).
    """
    head = told.stream if told.state in OVER else f"{told.stream} {told.severity}"
    parts = [f"{head}: {_what(told)}"]
    if told.started is not None and math.isfinite(told.time):
        since = told.time - told.started
        parts.append(f"lasted {span(since)}" if told.state in OVER else f"since {clock(told.started)}")
    if told.state in ("open", "worsen") and interval > 0.0 and 0.0 < rate < 1.0:
        parts.append(f"ordinary data bring this once in {span(interval / rate)}")
    return "; ".join(parts)


def _what(told: Anomaly) -> str:
    shares = {name: share or 0.0 for name, share in told.attribution.items()}
    if "event" in told.expected or told.state == "silence":
        return told.reason
    least = min(LEAST, max(shares.values(), default=0.0))
    named = [name for name in sorted(shares, key=lambda name: -shares[name]) if shares[name] >= least][:NAMED]
    sensors = ", ".join(_sensor(name, told.actual[name], told.expected[name]) for name in named)
    word = {"close": "as expected again, ", "regime_change": "a new level, "}.get(told.state, "")
    return word + sensors + MONITORS.get(told.monitor if not word else "", "")


def _sensor(name: str, actual: float | None, expected: float | None) -> str:
    if actual is None:
        return f"{name} is missing"
    if expected is None:
        return f"{name} {number(actual, decimals(actual))}"
    places = decimals(actual)
    if places > PLACES or number(actual, places) == number(expected, places):
        places = _needed(actual - expected)
    return f"{name} {number(actual, places)} (expected {number(expected, places)})"


def decimals(value: float) -> int:
    """Decimal places that a number is written with."""
    shown = f"{value!r}".lower()
    if "e" in shown or "." not in shown:
        return PLACES + 1
    places = shown.partition(".")[2]
    return 0 if places == "0" else len(places)


def _needed(distance: float) -> int:
    """Decimal places that show two digits of a distance."""
    return 2 if distance == 0.0 else min(max(1 - math.floor(math.log10(abs(distance) * (1.0 + 1e-9))), 0), 12)


def number(value: float, places: int) -> str:
    """A number with so many decimal places; with six digits where it is too large or has too many."""
    return f"{value:.6g}" if abs(value) >= 1e9 or places > 2 * PLACES else f"{value:.{places}f}"


def clock(moment: float) -> str:
    """A moment (seconds since the epoch) as date and time of day, UTC."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{moment:.0f} s"


def span(seconds: float) -> str:
    """A time in the largest unit that it has at least one and a half of."""
    for size, name in SPANS:
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.0f} {name}s"
    return f"{seconds:.3g} s"
