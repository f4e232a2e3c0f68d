"""Hold-off: what surprises is not learned, for a bounded time; then it is the new level.

While an event is open and a value surprises, experts, scalers and network are not taught: a broken sensor must not
teach them its fault. It is the last value all the same: forecasts go on from where the stream is now, which after a
burst that is real is far the better. After `holdoff` such values it is no fault but another regime: learning goes on,
the monitors move to where the values are now, and the event ends with a regime change, told once.

Rejected: holding off the monitors' own tails too, which cost 2 to 4 points on the Numenta benchmark's half; keeping the
held values from the history and the last value, which tripled the error one step ahead on a stream with real bursts.
"""

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit


@jit
def adopt(plan, row):
    """Move every monitor's expectation by its mean error of late, and let it learn anew from there."""
    p = plan.ints
    for j in range(p[c.TARGETS]):
        for m in range(p[c.MONITORS]):
            monitor = shift(plan.monitors, m * c.MONITOR_WIDTH)
            state = shift(row.real, p[c.MONITOR] + j * p[c.MONITOR_LENGTH] + monitor[c.MONITOR_STATE])
            own = shift(state, c.MONITOR_OWN)
            call(monitor[c.ADOPT], shift(monitor, c.MONITOR_SHAPE), own, state[c.SHORT])
            state[c.SHORT], state[c.SHORT_COUNT] = 0.0, 0.0


@jit
def hold(plan, row):
    """Whether the value that was judged is kept from the learners. Returns (held, the outcome's bits)."""
    q, limit = row.count, plan.ints[c.HOLDOFF]
    if q[c.OPEN] == 0 or limit == 0:
        q[c.HELD] = 0
        return False, 0
    if q[c.SEVERITY] == 0:
        return False, 0
    q[c.HELD] += 1
    if q[c.HELD] <= limit:
        return True, c.HELD_OFF
    adopt(plan, row)
    q[c.OPEN], q[c.HELD] = 0, 0
    return False, c.REGIME
