"""The covariances of a decoupled extended Kalman filter: P of every group of weights, and what one label does to them.

A group is a unit of a layer with all weights that enter it, or a row of the readout; of a layer with U units, weight i
of unit u is number i U + u of its parameters, whatever the cell is (`model.covariances` has U for each kind).

P is stored as lower halves, GROUPS groups side by side (simd.sweep), with the correction of the latest label waiting
beside it: it is applied when the next label's P g is worked out, so P is read and written once a label. Nothing of it
stands twice, so it cannot become asymmetric. What is done with it: see ekf_learn.py.
"""

from numba import carray

from streamrnn.kernels.core import simd
from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.program import Layer, Program, Reals

WIDE = simd.GROUPS


@jit
def lower(n):
    """Numbers of WIDE lower halves of n x n."""
    return WIDE * (n * (n + 1) // 2)


@jit
def begin(state, n, units, prior):
    """P = prior I, no correction waiting, for `units` groups of n weights."""
    size = lower(n) + WIDE * n
    for b in range((units + WIDE - 1) // WIDE):
        block = shift(state, b * size)
        carray(block, size)[:] = 0
        for i in range(n):
            for u in range(WIDE):
                block[lower(i) + WIDE * i + u] = prior


@jit
def raise_variances(state, n, units, prior):
    """Every variance back up to its prior at least, whatever correction waits."""
    size = lower(n) + WIDE * n
    for b in range((units + WIDE - 1) // WIDE):
        block = shift(state, b * size)
        for i in range(n):
            for u in range(WIDE):
                wait = block[lower(n) + WIDE * i + u]
                at = lower(i) + WIDE * i + u
                block[at] = max(block[at], prior + wait * wait)


@jit
def each_group(plan, row, change):
    """`begin` (change 0) or `raise_variances` (1) for all groups."""
    p = plan.ints
    first, second = plan.reals[Reals.FIRST], plan.reals[Reals.SECOND]
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        state = shift(row.params, layer[Layer.COVARIANCE])
        if change == 0:
            begin(state, layer[Layer.GROUP_SIZE], layer[Layer.GROUPS], first)
        else:
            raise_variances(state, layer[Layer.GROUP_SIZE], layer[Layer.GROUPS], first)
    answers, logits = p[Program.TARGETS] * p[Program.HORIZONS], p[Program.TARGETS] * p[Program.EXPERTS]
    for gate in range(2 if p[Program.GATE] else 1):
        state = shift(row.params, p[Program.COVARIANCE_GATE] if gate else p[Program.COVARIANCE_READOUT])
        if change == 0:
            begin(state, p[Program.TOP] + 1, logits if gate else answers, second)
        else:
            raise_variances(state, p[Program.TOP] + 1, logits if gate else answers, second)


@jit
def product(state, n, x, y, noise, prior):
    """The waiting correction and the process noise into P, then y = P x, x and y (n, WIDE). Returns x' y.

    The noise raises no variance beyond its prior: what no label ever tells anything about must not grow for ever.
    """
    simd.sweep(n, state, shift(state, lower(n)), x, y, noise, prior)
    X, Y = carray(x, n * WIDE), carray(y, n * WIDE)
    total = X.dtype.type(0)
    for i in range(n * WIDE):
        total += X[i] * Y[i]
    return float(total)


@jit
def wait(state, n, y, root):
    """Leave the correction y / sqrt(A) for the next label."""
    C, Y = carray(shift(state, lower(n)), n * WIDE), carray(y, n * WIDE)
    factor = C.dtype.type(root)
    for i in range(n * WIDE):
        C[i] = factor * Y[i]


@jit
def sweep_layers(plan, row, scratch, y):
    """P g of all groups of the layers into y, block after block. Returns sum g' P g and the place behind."""
    p, total, place = plan.ints, 0.0, 0
    x = shift(scratch.f32, p[Program.SCRATCH_FILTER])
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        n, units = layer[Layer.GROUP_SIZE], layer[Layer.GROUPS]
        g = shift(scratch.f32, p[Program.SCRATCH_GRADIENT] + layer[Layer.PARAMS])
        for b in range((units + WIDE - 1) // WIDE):
            used = min(WIDE, units - b * WIDE)
            if used < WIDE:
                carray(x, n * WIDE)[:] = 0
            for i in range(n):
                for u in range(used):
                    x[i * WIDE + u] = g[i * units + b * WIDE + u]
            state = shift(row.params, layer[Layer.COVARIANCE] + b * (lower(n) + WIDE * n))
            total += product(state, n, x, shift(y, place), plan.reals[Reals.SHRINK], plan.reals[Reals.FIRST])
            place += n * WIDE
    return total, place


@jit
def move_layers(plan, row, y, gain, root):
    """w += gain P g for all groups of the layers; what was worked out waits for the next label."""
    p, place = plan.ints, 0
    for number in range(p[Program.LAYERS]):
        layer = shift(plan.layers, number * Layer.WIDTH)
        n, units = layer[Layer.GROUP_SIZE], layer[Layer.GROUPS]
        w = carray(shift(row.params, p[Program.PARAMS] + layer[Layer.PARAMS]), n * units)
        factor = w.dtype.type(gain)
        for b in range((units + WIDE - 1) // WIDE):
            used, own = min(WIDE, units - b * WIDE), shift(y, place)
            for i in range(n):
                for u in range(used):
                    w[i * units + b * WIDE + u] += factor * own[i * WIDE + u]
            wait(shift(row.params, layer[Layer.COVARIANCE] + b * (lower(n) + WIDE * n)), n, own, root)
            place += n * WIDE


@jit
def places(plan, gate):
    """Of the readout's rows of the answers, or of the gate: their covariances, the first output, steps to the next."""
    p = plan.ints
    if gate:
        return p[Program.COVARIANCE_GATE], p[Program.LOGITS], 1
    return p[Program.COVARIANCE_READOUT], 0, p[Program.HEAD_WIDTH]


@jit
def sweep_readout(plan, row, scratch, t, gate, first, count, y):
    """P g of the readout's rows first.. (count), whose derivatives stand in scratch.f64, at row t. Returns g' P g."""
    p, total, n = plan.ints, 0.0, plan.ints[Program.TOP] + 1
    covariance, _, _ = places(plan, gate)
    x, d = shift(scratch.f32, p[Program.SCRATCH_FILTER]), shift(scratch.f64, p[Program.SCRATCH_DERIVATIVES])
    top, place = shift(row.net, p[Program.TOPS] + t * p[Program.TOP]), 0
    for b in range(first // WIDE, (first + count - 1) // WIDE + 1):
        carray(x, n * WIDE)[:] = 0
        for r in range(max(first, b * WIDE), min(first + count, (b + 1) * WIDE)):
            u, slope = r - b * WIDE, d[r - first]
            for i in range(n - 1):
                x[i * WIDE + u] = slope * top[i]
            x[(n - 1) * WIDE + u] = slope
        state = shift(row.params, covariance + b * (lower(n) + WIDE * n))
        total += product(state, n, x, shift(y, place), plan.reals[Reals.SHRINK], plan.reals[Reals.SECOND])
        place += n * WIDE
    return total


@jit
def move_readout(plan, row, gate, first, count, y, gain, root):
    """The same rows move; what was worked out waits."""
    p, n, place = plan.ints, plan.ints[Program.TOP] + 1, 0
    covariance, begins, step = places(plan, gate)
    readout = p[Program.PARAMS] + p[Program.READOUT]
    for b in range(first // WIDE, (first + count - 1) // WIDE + 1):
        own = carray(shift(y, place), n * WIDE)
        for r in range(max(first, b * WIDE), min(first + count, (b + 1) * WIDE)):
            u, o = r - b * WIDE, begins + step * r
            v = carray(shift(row.params, readout + o * (n - 1)), n - 1)
            bias = carray(shift(row.params, readout + p[Program.OUTPUTS] * (n - 1) + o), 1)
            factor = v.dtype.type(gain)
            for i in range(n - 1):
                v[i] += factor * own[i * WIDE + u]
            bias[0] += factor * own[(n - 1) * WIDE + u]
        wait(shift(row.params, covariance + b * (lower(n) + WIDE * n)), n, shift(y, place), root)
        place += n * WIDE
