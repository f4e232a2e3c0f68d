"""How long an event of several targets lasts: while they are off the baseline that they left.

An event that the targets told together belongs to those with at least PART of the largest share. Their slow means are
its baseline, and stand still while it is open. A target is back when its level of late is as near to the baseline as
usual, or when no more than BACK of its largest distance from it is left: a valve that was shut and opened again need
not stand where it stood. The event is calm when all of its targets are back.
"""

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Level
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.monitors import levels

PART, BACK = 0.3, 0.3
LESSON = 0.02
NEAR = 1.64  # normal score of a distance that is usual


@jit
def level_of(plan, row, j):
    """The record of target j."""
    return shift(row.real, plan.ints[Program.LEVEL] + j * Level.WIDTH)


@jit
def leave(plan, row, share):
    """An event opens: the targets with a large `share` (T) of it are its own, and leave their baseline."""
    most = 0.0
    for j in range(plan.ints[Program.TARGETS]):
        most = max(most, share[j])
    for j in range(plan.ints[Program.TARGETS]):
        level = level_of(plan, row, j)
        level[Level.PART] = 1.0 if share[j] >= PART * most and most > 0.0 else 0.0
        level[Level.BASE], level[Level.MOST] = level[Level.SLOW], 0.0


@jit
def forget(plan, row):
    """No event is open."""
    for j in range(plan.ints[Program.TARGETS]):
        level_of(plan, row, j)[Level.PART] = 0.0


@jit
def off(plan, row):
    """Whether a target of the event is off its baseline."""
    found = False
    for j in range(plan.ints[Program.TARGETS]):
        level = level_of(plan, row, j)
        if level[Level.PART] == 0.0:
            continue
        apart = abs(level[Level.FIRM] - level[Level.BASE])
        level[Level.MOST] = max(level[Level.MOST], apart)
        if apart > BACK * level[Level.MOST] and abs(levels.distance(level, level[Level.BASE])) > NEAR:
            found = True
    return found


@jit
def settle(plan, row):
    """What the event left is not waited for any more: its targets' levels of late are the slow ones from here on.

    That a target may be as far off is a lesson, of a weight that makes it ordinary after a few times.
    """
    for j in range(plan.ints[Program.TARGETS]):
        level = level_of(plan, row, j)
        if level[Level.PART] != 0.0:
            apart = level[Level.SHORT] - level[Level.BASE]
            if level[Level.SPREAD] > 0.0:
                level[Level.WANDER] += LESSON * (apart * apart / level[Level.SPREAD] - level[Level.WANDER])
            level[Level.FIRM], level[Level.SLOW], level[Level.PART] = level[Level.SHORT], level[Level.SHORT], 0.0
