"""The marks of a prediction, which are written only where they say something; and what was said of an alarm."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from streamrnn.messages import DUPLICATE, FROZEN, JUDGED, LATE, MISSING, SETTLED, UNJUDGED, UNMATCHED, WORDS, Told
from streamrnn.wire.outgoing.messages import EventPrediction, Feedback, Prediction

MARKS = LATE | DUPLICATE | MISSING | FROZEN
SILENT = SETTLED | UNMATCHED | JUDGED | UNJUDGED  # a late label has no forecast of its own, nor has feedback


def mark(message: Prediction | EventPrediction, bits: Sequence[int], where: int | slice, ids: dict[int, str]) -> None:
    """Set the marks that are written only where they say something."""
    if isinstance(where, int):
        one = bits[where]
        message.late = one & LATE != 0 or UNSET
        message.duplicate = one & DUPLICATE != 0 or UNSET
        message.missing = one & MISSING != 0 or UNSET
        message.frozen = one & FROZEN != 0 or UNSET
        message.id = ids.get(where, UNSET)
        return
    run = bits[where]
    message.late = flags(run, LATE)
    message.duplicate = flags(run, DUPLICATE)
    message.missing = flags(run, MISSING)
    message.frozen = flags(run, FROZEN)
    named = [ids.get(i) for i in range(where.start, where.stop)] if ids else []
    message.id = named if any(name is not None for name in named) else UNSET


def flags(run: Sequence[int], bit: int) -> list[bool] | UnsetType:
    """Which outcomes of a run have a bit; not written when none has."""
    found = [each & bit != 0 for each in run]
    return found if any(found) else UNSET


def feedback(name: str, outcomes: Told, i: int) -> Feedback | UnsetType:
    """What was said last of an alarm of this stream; UNSET when nothing was."""
    word = int(outcomes.feedback_verdict[i])
    if word == 0:
        return UNSET
    verdict = next(verdict for verdict, bit in WORDS.items() if bit == word)
    rate, until = 2.0 ** (-0.5 * int(outcomes.alert_rate_halvings[i])), float(outcomes.ignored_until[i]) or None
    return Feedback(f"{name}/{outcomes.feedback_event[i]}", verdict, rate, until)
