"""What a stream does about a drift. Each is a part, called once where the drift is found.

react(ints, experts, settings, counts, real, count)
    The plan's integers, experts and their settings; the row's counts of what is learned, its f64 and i64.
"""

from numba import types

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import family
from streamrnn.kernels.core.layout import Drift, Scale, Target
from streamrnn.kernels.core.program import Expert, Program
from streamrnn.kernels.learning import learning_rate

REALS, INTS = types.CPointer(types.float64), types.CPointer(types.int64)
reaction_part = family(lambda real: types.void(INTS, INTS, REALS, INTS, REALS, INTS))
AFRESH = 20.0  # values that a mean counts for when it is to follow soon


@reaction_part
def rate(ints, experts, settings, counts, real, count):
    """Raise the step size of the network for the next updates (learning_rate.py); open the filter (ekf_learn.py)."""
    real[ints[Program.DRIFT] + Drift.RAISED] = learning_rate.UPDATES


@reaction_part
def scaler(ints, experts, settings, counts, real, count):
    """Let mean and spread of inputs and targets follow as after AFRESH values."""
    for f in range(ints[Program.FEATURES]):
        s = shift(real, ints[Program.SCALE] + f * Scale.WIDTH)
        s[Scale.SIZE] = min(s[Scale.SIZE], AFRESH)
    for j in range(ints[Program.TARGETS]):
        t = shift(real, ints[Program.TARGET] + j * Target.WIDTH)
        t[Target.COUNT] = min(t[Target.COUNT], AFRESH)


@reaction_part
def forget(ints, experts, settings, counts, real, count):
    """Let the experts that remember long know at once no more than after MEMORY values.

    A network that the filter trains doubts its weights, as after `rate`: the filter never forgets by itself.
    """
    if ints[Program.EKF] != 0:
        real[ints[Program.DRIFT] + Drift.RAISED] = learning_rate.UPDATES
    for j in range(ints[Program.TARGETS]):
        for e in range(ints[Program.EXPERTS]):
            expert = shift(experts, e * Expert.WIDTH)
            if expert[Expert.HASTEN] != 0:
                state = shift(real, ints[Program.EXPERT] + j * ints[Program.EXPERT_LENGTH] + expert[Expert.STATE])
                call(expert[Expert.HASTEN], shift(expert, Expert.SHAPE), shift(settings, e * Expert.SETTINGS), state)
