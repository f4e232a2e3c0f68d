"""Judge: how surprising what came is, over all monitors and targets; one score."""

import math

from numba import carray

from streamrnn.kernels.core.calendar import bin_of
from streamrnn.kernels.core.call import call, shift
from streamrnn.kernels.core.jit import jit
from streamrnn.kernels.core.layout import (
    Clock,
    Count,
    Feedback,
    ForecastLatest,
    Level,
    MonitorState,
    Peaks,
    Tail,
    Target,
    Watch,
)
from streamrnn.kernels.core.outcomes import Bit
from streamrnn.kernels.core.program import Limits, Monitor, Program, Reals
from streamrnn.kernels.monitors import (
    alarm,
    anomaly_event,
    calibration,
    creep,
    feedback,
    joint,
    lasting,
    levels,
    outliers,
    tail,
)

DAY = 86_400.0
BRIEF = 0.05  # rate of the running mean of a monitor's errors: about the last twenty
ROUNDING = 1e-6  # of the largest change from a value to the next: a smaller error surprises nobody
REPEATED = 0.1  # independent ones that each of those means counts for


@jit
def wanted(pair, error, sign, least):
    """Of the surprises (above, below) of an error the one that may be told; 0 for one that is small or of the other
    direction."""
    if abs(error) < least:
        return 0.0
    if sign == 0.0:
        return max(pair[0], pair[1])
    return pair[0] if sign > 0.0 else pair[1]


@jit
def listen(state, error, hour, dawn, sign, least):
    """Surprise of one monitor: of its error and of the short running mean of its errors, in equal parts.

    A mean catches what no single value shows: a small shift, a slow drift.
    """
    tails = carray(shift(state, MonitorState.TAILS), (4, Tail.WIDTH))
    state[MonitorState.SHORT_COUNT] += 1
    state[MonitorState.SHORT] += max(BRIEF, 1.0 / state[MonitorState.SHORT_COUNT]) * (error - state[MonitorState.SHORT])
    now = tail.signed(tails[:2], error, hour, dawn, 1.0)
    lately = tail.signed(tails[2:], state[MonitorState.SHORT], hour, dawn, REPEATED)
    return 0.5 * (wanted(now, error, sign, least) + wanted(lately, state[MonitorState.SHORT], sign, least))


@jit
def local_time(plan, row, known):
    """Seconds of the stream's clock as its people read them; `known` stands beside the observation."""
    zone, time = plan.ints[Program.ZONE], row.real[plan.ints[Program.CLOCK] + Clock.TIME]
    return time + known[zone] if zone >= 0 else time


@jit
def watch(plan, row, scratch, j, y, expected, time, learn):
    """Surprise of target j's value y over all monitors, and the loudest of them: mean and maximum in equal parts.

    Without `learn` only the running means of the errors move: what is usual stays what it was. Of what is beyond all
    measure not even these do; when that has lasted they begin there.
    """
    p = plan.ints
    f = plan.targets[j]
    beyond, lasted = outliers.beyond(plan, row, f), outliers.lasted_of(plan, row, f)
    keep = learn and not (beyond or lasted)
    target = carray(shift(row.real, p[Program.WATCH] + j * Watch.WIDTH), Watch.WIDTH)
    day = math.floor(time / DAY)
    dawn = target[Watch.SEEN] > 0 and day != target[Watch.DAY]
    if learn:
        target[Watch.SEEN] += 1
        target[Watch.DAY] = day
    out, hour, kept = scratch.f64, bin_of(time, DAY, Tail.HOURS), shift(scratch.f64, 1)
    total, most, heard, loudest = 0.0, 0.0, 0, -1
    limits = shift(plan.limits, j * Limits.WIDTH)
    rounding = ROUNDING * row.real[p[Program.TARGET] + j * Target.WIDTH + Target.LARGEST]
    if target[Watch.BLIND] > 0.0:
        expected = math.nan
    for m in range(p[Program.MONITORS]):
        monitor = shift(plan.monitors, m * Monitor.WIDTH)
        state = shift(row.real, p[Program.MONITOR] + j * p[Program.MONITOR_LENGTH] + monitor[Monitor.STATE])
        own = shift(state, MonitorState.OWN)
        length = (
            shift(monitor, Monitor.WIDTH)[Monitor.STATE] if m < p[Program.MONITORS] - 1 else p[Program.MONITOR_LENGTH]
        )
        length -= monitor[Monitor.STATE] + MonitorState.TAILS
        before = (state[MonitorState.SHORT], state[MonitorState.SHORT_COUNT])
        if not keep:
            copy(shift(state, MonitorState.TAILS), kept, length)
        call(monitor[Monitor.DEVIATE], shift(monitor, Monitor.SHAPE), plan.rates[m], own, y, expected, time, out)
        if math.isnan(out[0]):
            continue
        sign, least = spoken_of(limits, rounding, monitor[Monitor.UNITS])
        value = listen(state, out[0], hour, dawn, sign, least)
        if not keep:
            put_back(state, kept, length, before, out[0], beyond, lasted)
        total += value
        heard += 1
        if value > most:
            most, loudest = value, m
    return (0.5 * (total / heard + most) if heard > 0 else math.nan), loudest


@jit
def spoken_of(limits, rounding, units):
    """Sign and least size of a monitor's errors that may be told; 0 where they are not in the target's units."""
    return (limits[Limits.SIGN], max(limits[Limits.LEAST], rounding)) if units else (0.0, 0.0)


@jit
def put_back(state, kept, length, before, error, beyond, lasted):
    """Put a monitor back to what it had learned; its running mean too after what is beyond all measure.

    When that has lasted the mean begins at the error.
    """
    copy(kept, shift(state, MonitorState.TAILS), length)
    if lasted:
        state[MonitorState.SHORT], state[MonitorState.SHORT_COUNT] = error, 1.0
    elif beyond:
        state[MonitorState.SHORT], state[MonitorState.SHORT_COUNT] = before


@jit
def nearer(expected, y, worth):
    """What was expected, moved towards what came until a share of the error is left; with 1 it stays as it is."""
    return expected if worth == 1.0 else y - worth * (y - expected)


@jit
def copy(source, target, n):
    """n numbers from one place to another."""
    carray(target, n)[:] = carray(source, n)


@jit
def levels_of(plan, row, actual, learn):
    """Take what came (T), NaN where nothing did or it is doubted, into the levels of the targets."""
    opened, doubted = row.count[Count.OPEN] != anomaly_event.CLOSED, joint.doubted(plan, row)
    for j in range(plan.ints[Program.TARGETS]):
        level = lasting.level_of(plan, row, j)
        if math.isnan(actual[j]) or (plan.targets[j] >= 0 and outliers.doubted(plan, row, plan.targets[j])):
            level[Level.SCORE] = 0.0
        else:
            held = doubted or (opened and level[Level.PART] != 0.0)
            levels.follow(level, actual[j], learn, held)


@jit
def audible(plan, known, adds):
    """The part of a surprise that targets add (T) which are not muted now; what muted ones add becomes 0."""
    p, heard, total = plan.ints, 0.0, 0.0
    for j in range(len(adds)):
        total += adds[j]
        if p[Program.MUTED] >= 0 and known[p[Program.MUTED] + j] != 0.0:
            adds[j] = 0.0
        heard += adds[j]
    return heard / total if total > 0.0 else 1.0


@jit
def beside(plan, row, scratch, actual, local, learn, known):
    """Surprise, in nats, of the monitors beside those of each value: all targets together, and what creeps.

    Leaves in the scratch what each target adds (T), and the number of the monitor; muted targets add nothing.
    """
    together = joint.look(plan, row, scratch, learn, row.count[Count.OPEN] != anomaly_event.CLOSED)
    crept, which = creep.look(plan, row, actual, local, learn)
    n, own = plan.ints[Program.TARGETS], crept > together
    if own:
        carray(scratch.f64, n)[:] = 0.0
        scratch.f64[which] = 1.0
    scratch.f64[n] = 1.0 if own else 0.0
    found = max(together, crept)
    return found * audible(plan, known, carray(scratch.f64, n)) if found > 0.0 else 0.0


@jit
def divide(share, total):
    """Surprises of the targets (T) as shares of their `total`; equal ones without any."""
    for j in range(len(share)):
        share[j] = share[j] / total if total > 0.0 else 1.0 / len(share)


@jit
def of_all_targets(count, rare, muted, raised):
    """Whether all targets together raise an alarm: where no event is open and no target has raised one."""
    return rare and count[Count.OPEN] == anomaly_event.CLOSED and not muted and not raised


@jit
def life(plan, row, share, level, raised, of_all, time):
    """The event goes on; one that was told `of_all` targets together lasts while these are off. Returns the bits."""
    latest, q = shift(row.real, plan.ints[Program.LATEST]), row.count
    if q[Count.OPEN] == anomaly_event.OPEN and lasting.off(plan, row):
        level = max(level, 1)
    bits = anomaly_event.judged(latest, q, level, raised, time, plan.ints[Program.QUIET])
    if bits & Bit.OPENED and of_all:
        lasting.leave(plan, row, share)
    elif bits & Bit.CLOSED:
        lasting.forget(plan, row)
    return bits


@jit
def judge(plan, row, scratch, worth, learn, known):
    """Anomaly score from what was expected and what came (2, T) of the row; returns the outcome's bits.

    `worth` is the share of an error of the forecast that counts: less than 1 after a gap. Without `learn` neither what
    is usual nor the threshold moves. What is muted surprises nobody, and is learned from.
    """
    p, q, targets = plan.ints, row.count, plan.ints[Program.TARGETS]
    latest = carray(shift(row.real, p[Program.LATEST]), ForecastLatest.TARGETS + 3 * targets)
    expected, actual = latest[ForecastLatest.TARGETS :], latest[ForecastLatest.TARGETS + targets :]
    share = latest[ForecastLatest.TARGETS + 2 * targets :]
    time, local = row.real[p[Program.CLOCK] + Clock.TIME], local_time(plan, row, known)
    largest, total = -1.0, 0.0
    levels_of(plan, row, actual, learn)
    for j in range(targets):
        share[j] = 0.0
        if math.isnan(actual[j]):
            continue
        value, loudest = watch(plan, row, scratch, j, actual[j], nearer(expected[j], actual[j], worth), local, learn)
        if row.real[p[Program.WATCH] + j * Watch.WIDTH + Watch.SEEN] < p[Program.WARMUP] or math.isnan(value):
            continue
        if p[Program.MUTED] >= 0 and known[p[Program.MUTED] + j] != 0.0:
            value = 0.0
        share[j] = value
        total += value
        if value > largest:
            largest = value
            q[Count.LOUDEST] = loudest
    together = beside(plan, row, scratch, actual, local, learn, known)
    latest[ForecastLatest.SCORE], latest[ForecastLatest.TAIL] = math.nan, math.nan
    if largest < 0.0:  # nothing came, or all targets are still warming up
        share[:] = math.nan
        return 0
    divide(share, total)
    sum_ = max(largest - math.log(targets), 0.0)  # Bonferroni: the least of T tail probabilities, times T
    rate, own = (
        alarm.asked(plan.reals[Reals.ALERTS], row.real[p[Program.CLOCK] + Clock.INTERVAL]),
        shift(q, p[Program.FEEDBACK]),
    )
    record = carray(shift(row.real, p[Program.PEAKS]), Peaks.WIDTH)
    muted = time < own[Feedback.IGNORED_UNTIL]
    known_for = calibration.since(record, time)
    sum_ *= calibration.worth(known_for)
    surprise, threshold = calibration.nats(record, sum_), alarm.threshold(rate * feedback.factor(own[Feedback.STEPS]))
    rest = alarm.refractory(latest, q, record, sum_)
    raised = alarm.alarm(latest, q, sum_, surprise >= threshold and not muted)
    of_all = of_all_targets(q, together >= threshold, muted, raised)
    if together > surprise:
        surprise = together
        joint.attribute(plan, scratch, q, share)
    raised |= of_all
    latest[ForecastLatest.TAIL] = math.exp(-surprise)
    latest[ForecastLatest.SCORE] = alarm.score(surprise, threshold, rest, raised)
    alarm.remember(q, record, sum_)
    if learn and not muted:
        calibration.learn(record, sum_, rate)
    level = 0 if muted else alarm.severity(surprise, threshold)
    return life(plan, row, share, level, raised, of_all, time)
