"""A decoupled extended Kalman filter as optimiser: second order, one scalar update a label.

    A = R + sum_j g_j' P_j g_j        K_j = P_j g_j / A        w_j <- w_j + K_j e        P_j <- P_j - K_j g_j' P_j + q I

(Puskorius and Feldkamp 1994, node-decoupled, eqs. 12 to 15; Williams 1992; for online regression Ergen and Kozat 2018.)
g is the gradient of one *output* of the network, by any rule; j runs over groups of weights, one a unit with all that
enters it, one a row of the readout. Whatever two weights of different groups have in common is left out.

A label is used the moment it comes, labels of one moment one after the other. A row whose weights have moved since it
was lived, and so that of every longer horizon, is lived once more first: a delayed copy of the stream learns, the
stream itself predicts (see `relive`).

    R          per target and horizon the running mean of e^2 - g' P g, e cut as below: what the weights cannot explain.
               The head says what an error and its R are (heads/contract.py): Student's weighs outliers down, binary's
               is the variance of a Bernoulli trial.
    e          is cut at `clip` deviations sqrt(A): an outlier moves no weight further than a large ordinary error.
    opening    P collapses as it learns, and a filter that is sure hears nothing. Where the running mean of e^2 / A,
               whose expectation is 1, exceeds `threshold`, the world has changed: every variance goes back up to at
               least its prior, R and the scales follow as after AFRESH labels. The drift reaction `rate` does the same.
               A variance is raised alone, which keeps P positive definite, and never beyond its prior.

A filter whose A is not finite or below R begins again from its prior. How P is stored: see ekf.py.

Rejected: a threshold of 3 to 5, which the errors of a load curve exceed every day (taxi NRMSE .222 at 6.5, 8 and
never, .304 at 5, .326 at 3), and which learns no better after a change (the error 2,000 to 4,000 rows behind one .05 to
.07 for 6.5 and 8, .11 for 5, .4 for never). Groups of a gate instead of a unit, a third of the numbers and of the time:
errors a fifth to a half greater on nearly every stream tried. Fading (P / lambda): it forgets what is still true. A
larger q: what it gains after a change it loses before (Mackey-Glass .046, .057, .083 for 1e-7, 1e-6, 1e-5).
"""

import math

from numba import carray

from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import Count, Drift, Filter, Scale, Schedule, Target, Updates
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Layer, Program, Reals
from streamrnn.kernels.learning.ekf import (
    WIDE,
    each_group,
    move_layers,
    move_readout,
    places,
    sweep_layers,
    sweep_readout,
)
from streamrnn.kernels.learning.network import through
from streamrnn.kernels.learning.tbptt import guard, rests, roll_back, sound

NOISE_RATE = 0.001  # of R
LARGEST_RATIO = 9.0  # of e^2 / A: a single outlier counts for no more,
RATIO_RATE = 0.05  # and no longer than about twenty labels
SETTLED = 200  # labels before the first opening, and between two
AFRESH = 20.0  # labels, or values, that a running mean counts for after one
LEAST_NOISE = 1e-8  # of R, in squared units of the target


@jit
def relive(plan, row, scratch, t):
    """Row t of the tape once more, with the weights of now; the row behind it will begin where this one ends.

    So a stream that is lived again row by row, each when its label comes, is a delayed copy with a state of its own,
    which stands on the tape.
    """
    p = plan.ints
    memory = p[Program.MEMORY_LENGTH]
    state = carray(shift(scratch.f32, p[Program.SCRATCH_STATE]), memory)
    before = carray(shift(row.net, p[Program.BEFORE] + t * memory), memory)
    for i in range(memory):
        state[i] = before[i]
    source = shift(row.net, p[Program.PAST] + t * p[Program.INPUTS])
    through(plan, row, scratch, shift(scratch.f32, p[Program.SCRATCH_STATE]), source, t, Layer.FORWARD)
    if t + 1 < row.count[Count.POSITION]:
        kept = row.net[p[Program.KEEP] + t + 1]
        after = carray(shift(row.net, p[Program.BEFORE] + (t + 1) * memory), memory)
        for i in range(memory):
            after[i] = kept * state[i]


@jit
def at_top(plan, row, scratch, rows, gate, first, count):
    """Gradient at the top layer's outputs on `rows` rows of the tape, of which the last one has the label."""
    p, m = plan.ints, plan.ints[Program.TOP]
    _, begins, step = places(plan, gate)
    dY, d = (
        carray(shift(scratch.f32, p[Program.SCRATCH_DY]), (rows, m)),
        shift(scratch.f64, p[Program.SCRATCH_DERIVATIVES]),
    )
    dY[:] = 0
    for r in range(count):
        v = carray(shift(row.params, p[Program.PARAMS] + p[Program.READOUT] + (begins + step * (first + r)) * m), m)
        slope = v.dtype.type(d[r])
        for i in range(m):
            dY[rows - 1, i] += slope * v[i]


@jit
def gradient(plan, row, scratch, first, last):
    """Gradient by the layers' weights, into the scratch, of what `at_top` has written for rows first..last-1."""
    p = plan.ints
    carray(shift(scratch.f32, p[Program.SCRATCH_GRADIENT]), p[Program.READOUT])[:] = 0
    dy, dx, room = p[Program.SCRATCH_DY], p[Program.SCRATCH_DX], shift(scratch.f32, p[Program.SCRATCH_LAYER])
    for s in range(p[Program.LAYERS]):
        layer = shift(plan.layers, (p[Program.LAYERS] - 1 - s) * Layer.WIDTH)
        shape, tape = shift(layer, Layer.SHAPE), shift(row.net, layer[Layer.TAPE])
        w = shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS])
        g = shift(scratch.f32, p[Program.SCRATCH_GRADIENT] + layer[Layer.PARAMS])
        above, below = shift(scratch.f32, dy), shift(scratch.f32, dx)
        if layer[Layer.FOLLOW] != 0:
            trace, keep = shift(row.net, layer[Layer.TRACE]), shift(row.net, p[Program.KEEP])
            call(layer[Layer.FOLLOW], shape, w, tape, keep, above, below, g, trace, room, first, last)
        else:
            keep = shift(scratch.f32, p[Program.SCRATCH_CUT]) if layer[Layer.CUT] else shift(row.net, p[Program.KEEP])
            call(layer[Layer.BACKWARD], shape, w, tape, keep, above, below, g, room, first, last)
        dy, dx = dx, dy


@jit
def own(plan, row, answer):
    """The filter's record of an answer."""
    return carray(shift(row.real, plan.ints[Program.FILTER] + answer * Filter.WIDTH), Filter.WIDTH)


@jit
def learn_noise(record, at, explained, size):
    """R after one more squared error `size`, of which g' P g was `explained`; `at` is R's place, its count behind."""
    record[at + 1] += 1.0
    rate = max(NOISE_RATE, 1.0 / (record[at + 1] + 1.0))
    record[at] += rate * (max(size - explained, 0.0) - record[at])
    record[at] = max(record[at], LEAST_NOISE)


@jit
def open_again(plan, row):
    """The world has changed: doubt the weights, and let R and the scales follow soon."""
    p = plan.ints
    each_group(plan, row, 1)
    if p[Program.POOLED]:
        return
    for answer in range(p[Program.TARGETS] * p[Program.HORIZONS]):
        record = own(plan, row, answer)
        for at in (Filter.COUNT, Filter.UNIT_COUNT, Filter.GATE_COUNT):
            record[at] = min(record[at], AFRESH)
    for f in range(p[Program.FEATURES]):
        s = shift(row.real, p[Program.SCALE] + f * Scale.WIDTH)
        s[Scale.SIZE] = min(s[Scale.SIZE], AFRESH)
    for j in range(p[Program.TARGETS]):
        target = shift(row.real, p[Program.TARGET] + j * Target.WIDTH)
        target[Target.COUNT] = min(target[Target.COUNT], AFRESH)


@jit
def watch(plan, row, ratio):
    """The latest e^2 / A; opens the covariances when its running mean is above the threshold."""
    p = plan.ints
    tail = carray(
        shift(row.params, p[Program.OPTIMISER] + p[Program.OPTIMISER_LENGTH] - Schedule.WIDTH), Schedule.WIDTH
    )
    tail[0] += RATIO_RATE * (min(ratio, LARGEST_RATIO) - 1.0 - tail[0])  # what is above 1: 0 is fresh
    tail[1] += 1
    if plan.reals[Reals.VALUE] > 0.0 and tail[1] > SETTLED and tail[0] > plan.reals[Reals.VALUE] - 1.0:
        tail[0], tail[1] = 0, 0
        open_again(plan, row)


@jit
def innovation(plan, row, t, answer, target, noise, scratch):
    """Error and measurement noise of an answer at row t, as the head has them."""
    p = plan.ints
    out = shift(scratch.f64, p[Program.SCRATCH_DERIVATIVES])
    raw = shift(row.net, p[Program.RAW] + t * p[Program.OUTPUTS] + p[Program.HEAD_WIDTH] * answer)
    call(p[Program.HEAD_INNOVATE], p[Program.HEAD_WIDTH], raw, target, noise, shift(plan.reals, Reals.HEAD), out)
    return out[0], out[1]


@jit
def update(plan, row, scratch, t, gate, first, count, e, noise):
    """One scalar update by the error e of the readout's rows first.. (count) at row t.

    Returns the outcome's bits, the cut error and g' P g; NaN where the filter had to begin again.
    """
    p = plan.ints
    start = t if p[Program.TRACED] >= 0 else max(0, t + 1 - p[Program.WINDOW])
    at_top(plan, row, scratch, t + 1 - start, gate, first, count)
    gradient(plan, row, scratch, start, t + 1)
    y = shift(scratch.f32, p[Program.SCRATCH_FILTER] + WIDE * p[Program.LARGEST_GROUP])
    explained, place = sweep_layers(plan, row, scratch, y)
    explained += sweep_readout(plan, row, scratch, t, gate, first, count, shift(y, place))
    total = noise + explained
    if not (explained >= 0.0 and total < math.inf and abs(e) < math.inf):
        each_group(plan, row, 0)
        return Bit.SKIPPED | (0 if sound(plan, row) else roll_back(plan, row)), math.nan, math.nan
    root = 1.0 / math.sqrt(total)
    most = plan.reals[Reals.CLIP] / root
    cut = min(max(e, -most), most)
    move_layers(plan, row, y, cut / total, root)
    move_readout(plan, row, gate, first, count, shift(y, place), cut / total, root)
    row.counts[Updates.STEPS] += 1
    return guard(plan, row), cut, explained


@jit
def answered(plan, row, scratch, t, answer, target):
    """Learn from the label of one answer of row t."""
    p, record = plan.ints, own(plan, row, answer)
    noise = record[Filter.NOISE] if record[Filter.COUNT] > 0 else 1.0
    e, weighed = innovation(plan, row, t, answer, target, noise, scratch)
    shift(scratch.f64, p[Program.SCRATCH_DERIVATIVES])[0] = 1.0
    bits, cut, explained = update(plan, row, scratch, t, 0, answer, 1, e, weighed)
    if math.isnan(explained) or p[Program.HEAD_ABSOLUTE]:
        return bits
    learn_noise(record, Filter.NOISE, explained, cut * cut * noise / weighed)
    watch(plan, row, e * e / (explained + weighed))
    return bits


@jit
def gated(plan, row, scratch, t, answer, missed):
    """Let the gate learn from the same label: the gated forecast, which has `missed` by so much, is one output, whose
    derivatives by the logits stand on the tape."""
    p, n, record = plan.ints, plan.ints[Program.EXPERTS], own(plan, row, answer)
    first = (answer // p[Program.HORIZONS]) * n
    slopes = carray(shift(row.net, p[Program.GRADIENT] + t * p[Program.OUTPUTS] + p[Program.LOGITS] + first), n)
    d = shift(scratch.f64, p[Program.SCRATCH_DERIVATIVES])
    for i in range(n):
        d[i] = slopes[i]
    noise = record[Filter.GATE_NOISE] if record[Filter.GATE_COUNT] > 0 else 1.0
    bits, cut, explained = update(plan, row, scratch, t, 1, first, n, missed, noise)
    if not math.isnan(explained):
        learn_noise(record, Filter.GATE_NOISE, explained, cut * cut)
    return bits


@jit
def keep_traces(plan, row, scratch, back):
    """The traces into the scratch, or back: a row's second label needs those that stood before the row."""
    n = plan.ints[Program.TRACES_LENGTH]
    live, kept = (
        carray(shift(row.net, plan.ints[Program.TRACES]), n),
        carray(shift(scratch.f32, plan.ints[Program.SCRATCH_KEPT]), n),
    )
    if back:
        live[:] = kept
    else:
        kept[:] = live


@jit
def prepare(plan, row, scratch, t, moved, first):
    """Row t as the weights of now live it, and the traces as they were before it."""
    if moved:
        relive(plan, row, scratch, t)
    if plan.ints[Program.TRACED] >= 0:
        keep_traces(plan, row, scratch, not first)


@jit
def learn_row(plan, row, scratch, t, moved):
    """All labels of row t in turn; `moved`: weights have moved since it was lived. Returns bits and their number."""
    p, bits, labels = plan.ints, 0, 0
    count = p[Program.TARGETS] * p[Program.HORIZONS]
    targets = carray(shift(row.net, p[Program.ANSWERS] + t * count), count)
    for answer in range(count):
        target = float(targets[answer])
        if math.isnan(target) or bits & Bit.ROLLED_BACK:
            continue
        targets[answer] = math.nan
        prepare(plan, row, scratch, t, moved or labels > 0, labels == 0)
        bits |= answered(plan, row, scratch, t, answer, target)
        labels += 1
        missed = float(row.net[p[Program.GRADIENT] + t * p[Program.OUTPUTS] + answer * p[Program.HEAD_WIDTH]])
        if p[Program.GATE] and not math.isnan(missed) and bits & Bit.ROLLED_BACK == 0:
            prepare(plan, row, scratch, t, True, False)
            bits |= gated(plan, row, scratch, t, answer, missed)
    return bits, labels


@jit
def begin_or_open(plan, row):
    """A filter that has learned nothing begins at its prior; one that drift detection has called doubts itself."""
    p = plan.ints
    if row.counts[Updates.STEPS] == 0:
        each_group(plan, row, 0)
    if p[Program.DETECTORS] > 0:
        record = shift(row.real, p[Program.DRIFT])
        if record[Drift.RAISED] > 0.0:
            record[Drift.RAISED] = 0.0
            open_again(plan, row)


@jit
def span(plan, row):
    """Rows of the tape that are to be learned from: the first, and the one behind the last."""
    p, q = plan.ints, row.count
    start = q[Count.WRITTEN] - q[Count.POSITION]  # number of the tape's row 0
    if p[Program.TRACED] < 0:
        return max(q[Count.OLDEST] - start, 0), q[Count.NEWEST] + 1 - start if q[Count.LABELS] > 0 else 0
    ready = q[Count.WRITTEN] - p[Program.DELAY]
    if p[Program.LABEL_TASK] and q[Count.LABELS] > 0:
        ready = max(ready, q[Count.NEWEST] + 1)
    if q[p[Program.TRACED]] < start:  # rows have gone untaken: while it was frozen, or emptied by a fall
        carray(shift(row.net, p[Program.TRACES]), p[Program.TRACES_LENGTH])[:] = 0
    first = max(q[p[Program.TRACED]], start) - start
    if ready > q[p[Program.TRACED]]:
        q[p[Program.TRACED]] = ready
    return first, ready - start


@jit
def skip(plan, row, first, last):
    """Labels on rows first..last-1 are not learned from."""
    n = plan.ints[Program.TARGETS] * plan.ints[Program.HORIZONS]
    if last > first:
        carray(shift(row.net, plan.ints[Program.ANSWERS] + first * n), (last - first) * n)[:] = math.nan


@jit
def learn(plan, row, scratch):
    """One update for every label that has come since the last call. Returns the outcome's bits."""
    p, q = plan.ints, row.count
    first, last = span(plan, row)
    if first >= last:
        q[Count.LABELS] = q[Count.LABELS] if p[Program.TRACED] >= 0 else 0
        return 0
    if rests(row.counts):
        q[Count.LABELS] = 0
        skip(plan, row, first, last)
        return Bit.RESTED
    begin_or_open(plan, row)
    bits, total, newest = 0, 0, q[Count.POSITION] - 1
    for t in range(first, last):
        moved = p[Program.POOLED] != 0 or t != newest or total > 0
        found, labels = learn_row(plan, row, scratch, t, moved)
        bits, total = bits | found, total + labels
        if bits & Bit.ROLLED_BACK:
            break
        if labels == 0 and p[Program.TRACED] >= 0:
            at_top(plan, row, scratch, 1, 0, 0, 0)
            gradient(plan, row, scratch, t, t + 1)
    q[Count.LABELS] = max(q[Count.LABELS] - total, 0) if p[Program.TRACED] >= 0 else 0
    return bits
