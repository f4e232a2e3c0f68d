"""What a stream does about a drift. Each is a part, called once where the drift is found.

react(ints, experts, settings, counts, real, count)
    The plan's integers, experts and their settings; the row's counts of what is learned, its f64 and i64.
"""

from numba import types

from streamrnn.kernels.core import table as c
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import family
from streamrnn.kernels.learning import learning_rate

REALS, INTS = types.CPointer(types.float64), types.CPointer(types.int64)
reaction_part = family(lambda real: types.void(INTS, INTS, REALS, INTS, REALS, INTS))
AFRESH = 20.0  # values that a mean counts for when it is to follow soon


@reaction_part
def rate(ints, experts, settings, counts, real, count):
    """Raise the step size of the network for the next updates (see pace.py)."""
    real[ints[c.DRIFT] + c.D_RAISED] = learning_rate.UPDATES


@reaction_part
def scaler(ints, experts, settings, counts, real, count):
    """Let mean and spread of inputs and targets follow as after AFRESH values."""
    for f in range(ints[c.FEATURES]):
        s = shift(real, ints[c.SCALE] + f * c.SCALE_WIDTH)
        s[c.SIZE] = min(s[c.SIZE], AFRESH)
    for j in range(ints[c.TARGETS]):
        t = shift(real, ints[c.TARGET] + j * c.TARGET_WIDTH)
        t[c.T_COUNT] = min(t[c.T_COUNT], AFRESH)


@reaction_part
def forget(ints, experts, settings, counts, real, count):
    """Let the experts that remember long know at once no more than after MEMORY values."""
    for j in range(ints[c.TARGETS]):
        for e in range(ints[c.EXPERTS]):
            expert = shift(experts, e * c.EXPERT_WIDTH)
            if expert[c.HASTEN] != 0:
                state = shift(real, ints[c.EXPERT] + j * ints[c.EXPERT_LENGTH] + expert[c.EXPERT_STATE])
                call(expert[c.HASTEN], shift(expert, c.EXPERT_SHAPE), shift(settings, e * c.EXPERT_REALS), state)
