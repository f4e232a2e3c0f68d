"""The life of an anomaly event: one table of transitions, for values and for symbols.

    state    alarm             surprise, no alarm   calm                        not heard in time   new regime
    CLOSED   OPEN   OPENED     CLOSED               CLOSED                      SILENT  SILENCE     -
    OPEN     OPEN   WORSENED   OPEN  WORSENED       the `quiet`th in a row:     SILENT  SILENCE     CLOSED  REGIME
             if above the peak if above the peak    CLOSED  CLOSED
    SILENT   heard again, it is OPEN, and as calm as it takes: it closes at once unless what comes surprises

The bits stand behind the state that follows. A silence is told once, until the stream is heard again. It is found in
one of two ways, with the same state after both: live, by a tick that the caller times and journals; or, where nobody
was there to wait (a file, a daemon that was down), by the next observation, which comes after the deadline. An event
that is open when the stream falls silent is taken over, and goes on as one when it is heard.

The state is in Count (OPEN, CALM, SEVERITY, EVENT) and Latest (STARTED, PEAK).
"""

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Latest
from streamrnn.kernels.core.outcomes import Bit

CLOSED, OPEN, SILENT = 0, 1, 2  # Count.OPEN
OF_SILENCE = 2  # severity, major: of what is not heard nothing else can be told


@jit
def judged(latest, count, level, raised, time, quiet):
    """An observation was judged: its severity, and whether it is an alarm. Returns the outcome's bits."""
    count[Count.SEVERITY] = level
    if count[Count.OPEN] == CLOSED:
        if not raised:
            count[Count.SEVERITY] = 0
            return 0
        begin(latest, count, OPEN, level, time)
        return Bit.OPENED
    if level > 0:
        count[Count.CALM] = 0
        if level > latest[Latest.PEAK]:
            latest[Latest.PEAK] = level
            return Bit.WORSENED
        return 0
    count[Count.CALM] += 1
    return close(latest, count) if count[Count.CALM] >= quiet else 0


@jit
def begin(latest, count, state, level, time):
    """Another event, in this state from now on."""
    count[Count.OPEN], count[Count.CALM] = state, 0
    count[Count.EVENT] += 1
    latest[Latest.STARTED], latest[Latest.PEAK] = time, level


@jit
def close(latest, count):
    """The event is over; its severity is the highest it had. Returns the outcome's bits."""
    count[Count.OPEN], count[Count.SEVERITY] = CLOSED, int(latest[Latest.PEAK])
    return Bit.CLOSED


@jit
def silent(latest, count, deadline):
    """Nothing has come by the deadline. Returns the outcome's bits."""
    if count[Count.OPEN] == CLOSED:
        begin(latest, count, SILENT, 0, deadline)
    count[Count.OPEN] = SILENT
    latest[Latest.PEAK] = max(latest[Latest.PEAK], OF_SILENCE)
    count[Count.SEVERITY] = int(latest[Latest.PEAK])
    return Bit.SILENCE


@jit
def heard(latest, count, deadline, time, quiet):
    """An observation of this time has come, after a silence or not. Returns the outcome's bits."""
    bits = silent(latest, count, deadline) if time > deadline else 0  # no deadline: NaN
    if count[Count.OPEN] == SILENT:
        count[Count.OPEN], count[Count.CALM] = OPEN, quiet
    return bits


@jit
def unjudged(latest, count, quiet):
    """Close the event of a silence after an observation that could not be judged. Returns the outcome's bits."""
    return 0 if count[Count.OPEN] == CLOSED or count[Count.CALM] < quiet else close(latest, count)


@jit
def adopted(count):
    """What surprised is the new level: the event ends with that. Returns the outcome's bits."""
    count[Count.OPEN], count[Count.HELD] = CLOSED, 0
    return Bit.REGIME
