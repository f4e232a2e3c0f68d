"""Feedback: what somebody who looked says of an alarm moves the stream's alert rate, or silences it for a while.

    false alarm   half as many alerts are asked for from now on
    true alarm    half as many again, and a little less: the root of two times as many
    ignore        no alert until a time, of the stream's own clock; the threshold stands still meanwhile

The rate asked for is multiplied with 2^(-steps / 2), where a false alarm adds two steps and a true one takes one away,
between LEAST and MOST steps. So the threshold moves at once, and stays moved: it is steered to that rate. Another word
on the same event replaces the one before, and the same word twice is one.

Rejected: moving the threshold itself. It is steered back to the rate asked for, and so forgets.
"""

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.jit import jit

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
        return c.UNJUDGED
    if word & c.IGNORE:
        own[c.F_EVENT], own[c.F_WORD], own[c.F_MUTED] = event, c.IGNORE, int(until)
        return c.JUDGED
    before = own[c.F_STEPS]
    if own[c.F_EVENT] == event and own[c.F_WORD] != c.IGNORE:
        before = own[c.F_BEFORE]
    own[c.F_BEFORE], own[c.F_EVENT], own[c.F_WORD] = before, event, word
    own[c.F_STEPS] = min(max(before + (FALSE if word & c.FALSE_ALARM else TRUE), LEAST), MOST)
    return c.JUDGED
