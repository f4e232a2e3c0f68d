"""What feedback does to the alert rate, as a list of all that was said."""

from fractions import Fraction


def steps(said: list[tuple[int, str]], events: int) -> int:
    """Halvings of the rate, in halves, after words (event, verdict); of words in a row on one event the last counts."""
    now, before, last = 0, 0, (0, "")
    for event, word in said:
        if not 1 <= event <= events:
            continue
        if word != "ignore":
            before = before if last[0] == event and last[1] != "ignore" else now
            now = min(max(before + {"false_alarm": 2, "true_alarm": -1}[word], -4), 8)
        last = (event, word)
    return now


def rate(asked: float, steps: int) -> float:
    """Alarms an observation."""
    return asked * float(Fraction(1, 2)) ** (steps / 2)
