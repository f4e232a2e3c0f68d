"""Silence: a stream that is not heard when it should be has an anomaly event, told once, until it is heard again.

When it should be heard is the row's own: the usual interval or the foretold time, times what was asked for. Silence is
found in one of two ways, with the same state after both: live, by a tick that the caller times and journals; or, where
nobody was there to wait (a file, a daemon that was down), by the next observation, which comes after the deadline.

An event of values that is open is taken over, and goes on as one when the stream is heard. Heard with nothing that
surprises, it closes at once.
"""

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count
from streamrnn.kernels.core.outcomes import Bit

QUIET = 2  # of Count.OPEN: the event that is open says that nothing comes
LEVEL = 2  # severity, major: of what is not heard nothing else can be told


@jit
def begin(event, count, deadline):
    """Nothing has come by the deadline. `event` (2): when the stream's latest event opened, its highest severity."""
    if count[Count.OPEN] == 0:
        count[Count.EVENT] += 1
        event[0], event[1] = deadline, 0
    count[Count.OPEN] = QUIET
    event[1] = max(event[1], LEVEL)
    count[Count.SEVERITY] = int(event[1])
    return Bit.SILENCE


@jit
def heard(event, count, deadline, time, quiet):
    """An observation of this time has come, after a silence or not. Returns the outcome's bits.

    The first one without surprise closes the event.
    """
    bits = begin(event, count, deadline) if time > deadline else 0  # no deadline: NaN
    if count[Count.OPEN] == QUIET:
        count[Count.OPEN], count[Count.CALM] = 1, quiet
    return bits


@jit
def unjudged(event, count, quiet):
    """Close the event of a silence after an observation that could not be judged. Returns the outcome's bits."""
    if count[Count.OPEN] == 0 or count[Count.CALM] < quiet:
        return 0
    count[Count.OPEN], count[Count.SEVERITY] = 0, int(event[1])
    return Bit.CLOSED
