"""Hold-off: what surprises is not learned, for a bounded time; then it is the new level.

While an event is open and a value surprises, experts, scalers and network are not taught: a broken sensor must not
teach them its fault. It is the last value all the same: forecasts go on from where the stream is now, which after a
burst that is real is far the better. After `holdoff` such values it is no fault but another regime: learning goes on,
the monitors move to where the values are now, and the event ends with a regime change, told once.

Rejected: holding off the monitors' own tails too, which cost 2 to 4 points on the Numenta benchmark's half; keeping the
held values from the history and the last value, which tripled the error one step ahead on a stream with real bursts.
"""

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, MonitorState
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Monitor, Program
from streamrnn.kernels.monitors import creep, lasting, outliers
from streamrnn.kernels.monitors.anomaly_event import OPEN, adopted


@jit
def adopt(plan, row):
    """Move every monitor's expectation by its mean error of late, and let it learn anew from there."""
    p = plan.ints
    for j in range(p[Program.TARGETS]):
        for m in range(p[Program.MONITORS]):
            monitor = shift(plan.monitors, m * Monitor.WIDTH)
            state = shift(row.real, p[Program.MONITOR] + j * p[Program.MONITOR_LENGTH] + monitor[Monitor.STATE])
            own = shift(state, MonitorState.OWN)
            call(monitor[Monitor.ADOPT], shift(monitor, Monitor.SHAPE), own, state[MonitorState.SHORT])
            state[MonitorState.SHORT], state[MonitorState.SHORT_COUNT] = 0.0, 0.0
    lasting.settle(plan, row)
    creep.begin_anew(plan, row)


@jit
def hold(plan, row):
    """Whether the value that was judged is kept from the learners. Returns (held, the outcome's bits).

    What is doubted, beside which nothing else is learned, is held for as long as it is; then it is the new level.
    """
    q, limit = row.count, plan.ints[Program.HOLDOFF]
    if limit > 0 and plan.ints[Program.LABEL_TASK] == 0 and outliers.lasted(plan, row):
        adopt(plan, row)
        return False, adopted(q) if q[Count.OPEN] == OPEN else 0
    if q[Count.OPEN] == 0 or limit == 0:
        q[Count.HELD] = 0
        return False, 0
    if q[Count.SEVERITY] == 0:
        return False, 0
    if plan.ints[Program.LABEL_TASK] == 0 and outliers.lasting_on(plan, row):
        q[Count.HELD] = min(q[Count.HELD] + 1, limit)
        return True, Bit.HELD_OFF
    q[Count.HELD] += 1
    if q[Count.HELD] <= limit:
        return True, Bit.HELD_OFF
    adopt(plan, row)
    return False, adopted(q)
