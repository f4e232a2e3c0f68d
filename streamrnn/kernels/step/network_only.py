"""The network alone: forward, loss, back through the tape, clipping and the optimiser, as the step calls them, without
the door, the experts, the mix and the monitors. For measurements of the learner beside other learners."""

from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Place
from streamrnn.kernels.core.program import Program
from streamrnn.kernels.step.advance import network
from streamrnn.kernels.step.loop import borrow, learn_if_due, view
from streamrnn.kernels.step.settle import teach


@jit
def run(places, real, inputs, targets, counts):
    """Row 0 sees inputs (N, I), each after it was taught the target (N) of the one before: horizon 1, in units of order
    1. `counts` tells the type of whole numbers."""
    plan, planes, scratch = borrow(places, real, targets, counts)
    p = plan.ints
    row = view(plan, planes, 0)
    q = row.count
    for i in range(len(targets)):
        q[Count.SEEN] += 1
        if i > 0:
            teach(plan, row, 0, 0, 0, targets[i], targets[i])
            learn_if_due(plan, row, scratch, False)
        for j in range(p[Program.INPUTS]):
            row.net[p[Program.INPUT] + j] = inputs[i, j]
        network(plan, row, scratch)
        q[p[Program.PLACES] + Place.ROW] = q[Count.WRITTEN] - 1
