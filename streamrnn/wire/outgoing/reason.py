"""The reason of an anomaly message, in words."""

import math
from typing import Any


def reason(target: str, expected: float | None, actual: float | None, closing: bool) -> str:
    """One sentence about the target that stands out most."""
    if actual is None:
        return f"{target} is missing"
    if expected is None:
        return f"{target} is {actual:.6g}, nothing was expected yet"
    distance = actual - expected
    places = _decimals(distance)
    seen, predicted = _text(actual, places), _text(expected, places)
    if closing:
        return f"{target} is back to what is expected ({seen}, expected {predicted})"
    if distance == 0.0:
        return f"{target} is {seen}, as expected"
    side = "above" if distance > 0.0 else "below"
    return f"{target} is {_text(abs(distance), places)} {side} what was expected ({seen} instead of {predicted})"


def event_reason(expected: Any, actual: Any, late: float | None, closing: bool) -> str:
    """One sentence about an event; `late` when its time stands out: standard deviations after the median."""
    came, likeliest = _name(actual["event"]), expected["event"]
    if closing:
        return f"events are as predicted again ({came}, {actual['bits'] or 0.0:.1f} bits)"
    if late is not None:
        return f"{came} came {abs(late):.1f} deviations {'later' if late > 0.0 else 'earlier'} than expected"
    instead = "nothing was expected yet"
    if likeliest is not None and expected["probability"] is not None:
        instead = f"{_name(likeliest)} was expected ({expected['probability']:.2g})"
    return f"{came} had a probability of {actual['probability'] or 0.0:.2g}; {instead}"


def silence_reason(interval: float) -> str:
    """One sentence about a stream that is not heard; `interval` is the usual one in seconds, 0 when it is not known."""
    usual = f": usually there is one every {interval:.6g} s" if interval > 0.0 else ""
    return f"nothing came when an observation was due{usual}"


def session_reason(expected: Any, actual: Any) -> str:
    """One sentence about a session, its most surprising event and what was expected there."""
    events = f"{actual['events']} event" + ("" if actual["events"] == 1 else "s")
    place = "its end" if actual["event"] == "" else f"{_name(actual['event'])} as number {actual['place']}"
    told = f"{_name(expected['event'])} was expected ({expected['probability'] or 0.0:.2g})"
    if expected["event"] == actual["event"]:
        told = "nothing was likelier"
    return (
        f"a session of {events} cost {actual['session_bits'] or 0.0:.1f} bits, {actual['bits'] or 0.0:.1f} of them "
        f"{place}, with a probability of {actual['probability'] or 0.0:.2g}; {told}"
    )


def _name(symbol: str | int | None) -> str:
    if symbol == "":
        return "the end of the session"
    text = "one that was never seen" if symbol is None else repr(symbol)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _decimals(distance: float) -> int:
    """Decimal places that show two digits of the distance, so that the three numbers agree."""
    if distance == 0.0:
        return 2
    return min(max(1 - math.floor(math.log10(abs(distance))), 0), 12)


def _text(number: float, places: int) -> str:
    return f"{number:.6g}" if abs(number) >= 1e9 else f"{number:.{places}f}"
