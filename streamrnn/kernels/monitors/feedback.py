"""Feedback: what somebody who looked says of an alarm moves the stream's alert rate, or silences it for a while.

    false alarm   half as many alerts are asked for from now on
    true alarm    half as many again, and a little less: the root of two times as many
    ignore        no alert until a time, of the stream's own clock; the threshold stands still meanwhile

The rate asked for is multiplied with 2^(-steps / 2), where a false alarm adds two steps and a true one takes one away,
between LEAST and MOST steps. So the threshold, which follows from that rate, moves at once and stays moved. Another
word on the same event replaces the one before, and the same word twice is one.
"""

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Feedback
from streamrnn.kernels.core.outcomes import Bit, Flag

LEAST, MOST = -4, 8  # four times as many alerts, a sixteenth
TRUE, FALSE = -1, 2  # steps of a word


@jit
def factor(steps):
    """What the alert rate asked for is multiplied with."""
    return 1.0 if steps == 0 else 2.0 ** (-0.5 * steps)


@jit
def take(own, events, word, event, until):
    """A word on the event of this number, of `events` so far. own (FEEDBACK_WIDTH). Returns the outcome's bits."""
    if event < 1 or event > events:
        return Bit.UNJUDGED
    if word & Flag.IGNORE:
        own[Feedback.EVENT], own[Feedback.VERDICT], own[Feedback.IGNORED_UNTIL] = event, Flag.IGNORE, int(until)
        return Bit.JUDGED
    before = own[Feedback.STEPS]
    if own[Feedback.EVENT] == event and own[Feedback.VERDICT] != Flag.IGNORE:
        before = own[Feedback.BEFORE]
    own[Feedback.BEFORE], own[Feedback.EVENT], own[Feedback.VERDICT] = before, event, word
    own[Feedback.STEPS] = min(max(before + (FALSE if word & Flag.FALSE_ALARM else TRUE), LEAST), MOST)
    return Bit.JUDGED
