"""Exponential smoothing with an additive or multiplicative season: many settings at once, weighted by what they missed.

A model has a level l, a trend b that is damped by phi, and a season s of m steps (Hyndman, Koehler, Ord, Snyder 2008,
Forecasting with Exponential Smoothing, table 2.2: (A,N), (A,Ad) and (A,A), error correction form):

    e = y - (l + phi b + s)    l <- l + phi b + alpha e    b <- phi b + alpha beta e    s <- s + gamma (1 - alpha) e
    forecast h steps ahead: l + (phi + .. + phi^h) b + s of that step

The grid is every ALPHA with every TREND (beta, phi) and every GAMMA, 0 for no season; all of it once more on the
logarithms of the values over the first one (so units do not matter), which makes trend and season multiplicative, as
long as all values have been above 0. What is predicted is the mean of the models, each weighted by the power of its
mean absolute error one step ahead, discounted by FORGET: w ~ (sum of errors)^-n, n the discounted number of errors (a
likelihood of Laplace's distribution). So nothing is fitted again, and a stream needs no setting.

The first season is smoothed without one; at its end and at that of the second the season is what is left of the mean
(and of the line between the two). A season longer than there is room for is none.

Trends and seasons learn from errors of up to LIMIT usual ones, so that a fault spoils no season for weeks. Rejected:
the same for levels. Bursts come as shifts of the level, and through them it was far behind.
"""

import math

from numba import carray

from streamrnn.kernels.core.call import shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.experts import seasons
from streamrnn.kernels.experts.naive import forecast_part

ALPHA, GAMMA = (0.1, 0.4, 0.9), (0.0, 0.1, 0.4)
BETA, PHI = (0.0, 0.1, 0.05), (1.0, 0.9, 0.98)
KINDS = len(ALPHA) * len(BETA) * len(GAMMA)
SEASONAL = KINDS - KINDS // len(GAMMA)  # of these have a season; they stand first
MODELS = 2 * KINDS
FORGET = 0.98
FIRST = 10  # steps: until then a level moves by at least the share of one in all
LIMIT, STEADY = 5.0, 20.0  # usual errors; once so many are known
FAINT = 7.0  # a model whose weight is e^-FAINT of the best one's is left out
AGE, BEGAN, SEASON, POSITIVE, COUNT, LOW, HIGH, BASE, HEAD = range(
    9
)  # of a state: steps since the first one, that, ...
LEVEL, TREND, ERRORS, MODEL = range(4)  # of a model: in logarithms where it works on them
RELAX = 0.001  # share by which the range of the values shrinks at a step


def length(room: int) -> int:
    """Numbers of the state: head, models, the last two seasons of values, seasons."""
    return HEAD + MODEL * MODELS + 2 * room + 2 * SEASONAL * room


@jit
def setting(g):
    """alpha, beta, phi, gamma of a model."""
    kind = g % KINDS
    c, rest = kind // (len(ALPHA) * len(BETA)), kind % (len(ALPHA) * len(BETA))
    return ALPHA[rest % len(ALPHA)], BETA[rest // len(ALPHA)], PHI[rest // len(ALPHA)], GAMMA[len(GAMMA) - 1 - c]


@jit
def model(state, g):
    """A model's numbers."""
    return carray(shift(state, HEAD + MODEL * g), MODEL)


@jit
def values(state, room):
    """The values of the last two seasons."""
    return carray(shift(state, HEAD + MODEL * MODELS), 2 * room)


@jit
def season(state, room, g):
    """A model's season (room); only for those that have one."""
    place = (g // KINDS) * SEASONAL + g % KINDS
    return carray(shift(state, HEAD + MODEL * MODELS + (2 + place) * room), room)


@jit
def has(state, g, m):
    """Whether a model has a season that is known."""
    return g % KINDS < SEASONAL and m > 1 and state[AGE] >= m


@jit
def begin(state, room, m, y):
    """Forget everything; y is the first value."""
    carray(state, HEAD + MODEL * MODELS)[:] = 0.0
    state[SEASON], state[POSITIVE], state[LOW], state[HIGH], state[BASE] = m, 1.0 if y > 0.0 else 0.0, y, y, y
    for g in range(KINDS):
        model(state, g)[LEVEL] = y


@jit
def decompose(state, room, m, g, whole):
    """Level and season of a model from `whole` (1 or 2) seasons of values; with two its trend too."""
    own, s, ring = model(state, g), season(state, room, g), values(state, room)
    first, second = 0.0, 0.0
    for i in range(m):
        a, b = ring[i], ring[m + i] if whole > 1 else ring[i]
        first += (math.log(a / state[BASE]) if g >= KINDS else a) / m
        second += (math.log(b / state[BASE]) if g >= KINDS else b) / m
    slope, mean = (second - first) / m, 0.5 * (first + second)
    centre = 0.5 * (whole * m - 1)
    for i in range(m):
        total = 0.0
        for q in range(whole):
            z = math.log(ring[q * m + i] / state[BASE]) if g >= KINDS else ring[q * m + i]
            total += z - (mean + slope * (q * m + i - centre))
        s[i] = total / whole
    own[LEVEL] = mean + slope * centre
    if setting(g)[1] > 0.0:
        own[TREND] = 0.5 * slope


@jit
def total(phi, h):
    """phi + .. + phi^h."""
    return h if phi >= 1.0 else phi * (1.0 - phi**h) / (1.0 - phi)


@jit
def missed(z, expected, y, logs):
    """The error in the units of the data."""
    e = z - expected
    if not logs:
        return e
    return y * (e - 0.5 * e * e + e * e * e / 6.0) if abs(e) < 0.05 else y * (1.0 - math.exp(-min(max(e, -30.0), 30.0)))


@jit
def move(state, room, m, g, z, y, place):
    """One value: y, as the model sees it z; `place` of the season."""
    own = model(state, g)
    alpha, beta, phi, gamma = setting(g)
    age, logs, known = state[AGE], g >= KINDS, has(state, g, m)
    s = season(state, room, g) if known else values(state, room)
    base, part = own[LEVEL] + phi * own[TREND], s[place] if known else 0.0
    e, size = z - base - part, abs(missed(z, base + part, y, logs))
    own[ERRORS] = FORGET * own[ERRORS] + size
    bound = LIMIT * own[ERRORS] / (FORGET * state[COUNT] + 1.0)
    part_of = bound / size if state[COUNT] > STEADY and size > bound else 1.0
    if age < FIRST:
        alpha = max(alpha, 1.0 / (age + 1.0))
    own[LEVEL] = base + alpha * e
    if g % KINDS >= SEASONAL or m < 2 or age >= m:
        own[TREND] = phi * own[TREND] + alpha * beta * part_of * e
    if known:
        s[place] = part + gamma * (1.0 - alpha) * part_of * e


@jit
def take(state, room, m, y, step, known):
    """The value y of this step, the last one again when none came (`known` 0): all models move on."""
    if state[AGE] == 0.0 or state[SEASON] != m or step < state[BEGAN]:
        begin(state, room, m, y)
        state[BEGAN] = step
    else:
        skipped = min(step - state[BEGAN] - state[AGE] + (0.0 if known else 1.0), 2.0 * room)
        if skipped > 0.0:
            rest(state, skipped)
        if known:
            learn(state, m, room, y, (step - int(state[BEGAN])) % m)
    before, state[AGE] = state[AGE], step - state[BEGAN] + 1.0
    if m > 1 and before < 2 * m:
        fill(state, room, m, y, int(before))


@jit
def fill(state, room, m, y, before):
    """The first two seasons: keep the values, those that were skipped too; a season is known at the end of each."""
    ring, age = values(state, room), int(state[AGE])
    for i in range(before, min(age, 2 * m)):
        ring[i] = y
    whole = 2 if age >= 2 * m else 1
    if before < whole * m <= age:
        for g in range(MODELS if state[POSITIVE] > 0.0 else KINDS):
            if g % KINDS < SEASONAL:
                decompose(state, room, m, g, whole)


@jit
def learn(state, m, room, y, place):
    """A value that came, at its place in the season."""
    if y <= 0.0:
        state[POSITIVE] = 0.0
    state[LOW] = min(y, state[LOW] + RELAX * (y - state[LOW]))
    state[HIGH] = max(y, state[HIGH] + RELAX * (y - state[HIGH]))
    log = math.log(y / state[BASE]) if state[POSITIVE] > 0.0 else 0.0
    for g in range(MODELS if state[POSITIVE] > 0.0 else KINDS):
        move(state, room, m, g, log if g >= KINDS else y, y, place)
    state[COUNT] = FORGET * state[COUNT] + 1.0


@jit
def rest(state, steps):
    """So many steps without a value: levels go on along their trends."""
    for g in range(MODELS):
        own, phi = model(state, g), setting(g)[2]
        own[LEVEL] += own[TREND] * total(phi, steps)
        own[TREND] *= phi**steps


@jit
def ahead(state, room, m, g, h, step):
    """A model's forecast h steps ahead of `step`, in the units of the data."""
    own, phi = model(state, g), setting(g)[2]
    z = own[LEVEL] + own[TREND] * total(phi, h)
    if has(state, g, m):
        z += season(state, room, g)[(step - int(state[BEGAN]) + h) % m]
    if g >= KINDS:
        z = state[BASE] * math.exp(min(z, 300.0))
    reach = state[HIGH] - state[LOW]
    return min(max(z, state[LOW] - reach), state[HIGH] + reach)


@forecast_part
def forecast(shape, reals, state, past, history, steps, out, last, step, time, interval, learn):
    """The weighted mean of all models' forecasts. Shape: K, room of a season in steps."""
    horizons, room = shape[0], shape[1]
    f, m = carray(out, horizons), int(history[seasons.STEPS])
    m = m if 1 < m <= room else 1
    y = seasons.value(past, history, step, 0, math.nan)
    step += int(history[seasons.PASSED])  # a season has all regular times
    if learn or state[AGE] == 0.0:
        take(state, room, m, last, step, not math.isnan(y))
    m = int(state[SEASON])
    usable, best = MODELS if state[POSITIVE] > 0.0 else KINDS, math.inf
    for g in range(usable):
        best = min(best, model(state, g)[ERRORS])
    whole, count = 0.0, state[COUNT]
    f[:] = 0.0
    for g in range(usable):
        errors = model(state, g)[ERRORS]
        if errors > best and count * (1.0 - best / errors) > FAINT:
            continue
        w = math.exp(-count * math.log(errors / best)) if errors > best > 0.0 else 1.0
        whole += w
        for k in range(horizons):
            f[k] += w * ahead(state, room, m, g, steps[k], step)
    for k in range(horizons):
        f[k] /= whole
