"""Where everything of a row stands: slices into the planes, their offsets into the program."""

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core.layout import (
    Challenger,
    ChallengerLoss,
    MonitorState,
    Pending,
    Place,
    Schedule,
    Stats,
    Updates,
)
from streamrnn.kernels.core.program import Detector, Expert, Layer, Monitor, Program
from streamrnn.kernels.drift import contract
from streamrnn.kernels.experts.gate import HARMONICS
from streamrnn.kernels.monitors import joint
from streamrnn.model import covariances, names, slices, traces
from streamrnn.model.layout import Plane, digest, labels, numbers, plain, unique
from streamrnn.model.parts import DETECTORS, EXPERTS, LAYERS, MONITORS, OPTIMISERS, REACTIONS
from streamrnn.model.room import Room
from streamrnn.model.sizes import Sizes, corrects


def layer_table(sizes: Sizes) -> NDArray[np.int64]:
    """Shape and place of the parameters of every layer."""
    table = np.zeros((len(sizes.layers), Layer.WIDTH), np.int64)
    inputs, params = sizes.inputs, 0
    for number, (row, layer) in enumerate(zip(table, sizes.layers, strict=True)):
        row[Layer.PARAMS] = params
        kind = LAYERS[type(layer)]
        units, own = kind.units(layer, inputs), kind.own(layer)
        row[Layer.SHAPE :] = inputs, units, sizes.rows, own, int(number > 0)
        row[Layer.DROPS] = int(isinstance(layer, spec.Dropout))
        params += kind.params(inputs, units, own)
        inputs = units
    return table


def _shape(layer: NDArray[np.int64]) -> tuple[int, int, int]:
    """Inputs, units and own setting from a row of the layers' table."""
    inputs, units, _, own, _ = layer[Layer.SHAPE :].tolist()
    return inputs, units, own


def learned(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane, i64: Plane) -> None:
    """Weights, the state of the optimiser and of the learning rate, the last good weights, their counts."""
    inputs, top, own = _shape(layers[-1])
    readout = int(layers[-1][Layer.PARAMS]) + LAYERS[type(sizes.layers[-1])].params(inputs, top, own)
    first, units, _ = _shape(layers[0])
    params, on, optimiser = LAYERS[type(sizes.layers[0])].params, sizes.names, sizes.optimiser
    wide = params(2, units, 0) - params(1, units, 0) if on.by_input else 0
    shape = slices.Weights(first, wide, readout, top)
    length = shape.length(sizes.outputs)
    ints[Program.TOP], ints[Program.READOUT], ints[Program.PARAMS_LENGTH] = top, readout, length
    ints[Program.PARAMS] = f32.block(slices.weights("params", 1, on, shape), length)
    title = f"optimiser {optimiser.identity()}"
    if isinstance(optimiser, spec.Ekf):
        state, places = covariances.state(sizes.layers, layers, ints, sizes.answers, sizes.logits)
        width = digest([list(on.inputs.items()), list(on.outputs.items())])
        ints[Program.OPTIMISER] = f32.add(f"{title} {on.network} {width}", state)
        for place, begins in places:
            place[0] = ints[Program.OPTIMISER] + begins
        f32.add(f"surprise {on.network}", Schedule.WIDTH)
    else:
        moments = OPTIMISERS[type(optimiser)].state
        state = moments * length
        ints[Program.OPTIMISER] = f32.block(slices.weights(title, moments, on, shape), state)
        f32.add(f"schedule {optimiser.schedule} {on.network}", Schedule.WIDTH)
    ints[Program.OPTIMISER_LENGTH] = state + Schedule.WIDTH
    ints[Program.GOOD] = f32.block(slices.weights("good", 1, on, shape), length)
    i64.block(slices.counts(on.network, optimiser), Updates.WIDTH)


def network(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> NDArray[np.int64]:
    """Hidden state, inputs and tape. Returns the tape's blocks."""
    base, rows, head, on = int(ints[Program.BASE_F32]), sizes.rows, sizes.model.head.identity(), sizes.names
    inputs, outputs = on.inputs, on.outputs
    blocks: list[tuple[int, int]] = []

    def block(title: str, axis: dict[str, int]) -> int:
        offset = f32.record(f"tape {title} {on.tape}", plain(rows), axis) - base
        blocks.append((offset, sum(axis.values())))
        return offset

    ints[Program.MEMORY_F32] = f32.width - base
    pairs = list(zip(layers, sizes.layers, strict=True))
    for number, (row, layer) in enumerate(pairs):
        row[Layer.STATE] = f32.add(f"state {number} {on.network}", LAYERS[type(layer)].state(*_shape(row))) - base
    ints[Program.MEMORY_LENGTH] = f32.width - base - ints[Program.MEMORY_F32]
    ints[Program.INPUT] = f32.record(f"input {on.tape}", inputs) - base
    ints[Program.KEEP], ints[Program.GRADIENT] = block("keep", plain(1)), block(f"gradient {head}", outputs)
    ints[Program.TOPS], ints[Program.RAW] = (
        block("top", plain(int(ints[Program.TOP]))),
        block(f"output {head}", outputs),
    )
    if sizes.delay >= 0:
        ints[Program.LABELLED] = block("labelled", plain(1))
    if sizes.recompute or sizes.filtered:
        ints[Program.PAST], ints[Program.BEFORE] = (
            block("past", inputs),
            block("before", plain(int(ints[Program.MEMORY_LENGTH]))),
        )
        ints[Program.ANSWERS] = block("answers", on.answers)
    for number, (row, layer) in enumerate(pairs):
        row[Layer.TAPE] = f32.width - base
        for part, width in enumerate(LAYERS[type(layer)].tape(*_shape(row))):
            first = number == 0 and part == 0 and on.by_input
            block(f"{number}.{part}", inputs if first else plain(width))
    traces.traces(sizes.rule, sizes.layers, layers, ints, f32, on._replace(by_input=False).tape)
    ints[Program.BLOCKS] = len(blocks)
    return np.array(blocks, np.int64)


def reals(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clocks, scalers, experts, calibration and pending forecasts. Returns the experts' and the monitors' table."""
    on, hours, e = sizes.names, sizes.conformal.hours, len(sizes.experts)
    answers = len(sizes.targets) * len(sizes.horizons)
    ints[Program.CLOCK] = f64.record("clock", names.CLOCK)
    ints[Program.GAPS] = f64.record(on.zoned("gaps"), names.GAPS)
    ints[Program.SCALE] = f64.record("scale", on.on_features, names.SCALE)
    ints[Program.TARGET] = f64.record("target", on.on_targets, names.TARGET)
    table = _experts(sizes, ints, f64)
    ints[Program.HISTORY_LENGTH] = sizes.past.length
    ints[Program.HISTORY] = f64.block(slices.history(on, sizes.past), len(sizes.targets) * sizes.past.length)
    _echo(sizes, ints, f64)
    ints[Program.MIX_WIDTH] = 4 * (e + sizes.last_round)
    ints[Program.MIX] = f64.block(slices.mix(on), answers * int(ints[Program.MIX_WIDTH]))
    ints[Program.STATS] = f64.block(slices.stats(on, sizes.conformal.level), answers * Stats.WIDTH)
    ints[Program.HOURS_OF_DAY] = hours
    ints[Program.SHARES] = f64.record(on.zoned(f"hours {hours}"), on.on_targets, on.on_horizons, plain(hours))
    ints[Program.WATCH] = f64.record("watch", on.on_targets, names.WATCH)
    ints[Program.PEAKS] = f64.record("peaks", names.PEAKS)
    ints[Program.LEVEL] = f64.record("level", on.on_targets, names.LEVEL)
    ints[Program.CREEP] = f64.record(on.zoned("creep"), on.on_targets, names.CREEP)
    _joint(sizes, ints, f64)
    monitors = _monitors(sizes, ints, f64)
    ints[Program.SLOTS] = slots = sizes.model.label_memory if sizes.labelled else sum(sizes.horizons)
    ints[Program.SLOT_WIDTH] = width = Pending.FORECASTS + e + sizes.last_round + (e if sizes.gate else 0)
    ints[Program.PENDING] = f64.block(slices.pending(on, slots), slots * len(sizes.targets) * width)
    ints[Program.LATEST] = f64.record("latest", names.LATEST)
    f64.record("latest of targets", labels(("expected", "actual", "share")), on.on_targets)
    f64.record("shares", on.on_targets, on.on_members | {names.NETWORK: 1})
    ints[Program.LOSS] = f64.record(f"losses {sizes.model.head.identity()}", names.LOSS)
    if sizes.filtered:
        title = f"filter correcting {corrects(sizes)}"
        ints[Program.FILTER] = f64.record(title, on.on_targets, on.on_horizons, names.FILTER)
    return table, monitors


def _echo(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> None:
    """The reservoir and the last values of all features, where an expert reads them."""
    on, shared = sizes.names, sizes.past.shared
    if shared.units:
        ints[Program.ECHO] = f64.add(on.zoned(f"echo {shared.name} {on.season}"), shared.length)
    ints[Program.ECHO_UNITS], ints[Program.ECHO_LAGS] = shared.units, shared.lags
    ints[Program.ECHO_SEES] = len(shared.seen)


def _experts(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> NDArray[np.int64]:
    """State of the experts, one target after the other. Returns their table."""
    table = np.zeros((len(sizes.experts), Expert.WIDTH), np.int64)
    length = 0
    for row, expert, own in zip(table, sizes.experts, slices.pieces(sizes.names, sizes.past), strict=True):
        row[Expert.STATE] = length
        row[Expert.SHAPE :] = len(sizes.horizons), *EXPERTS[type(expert)].shape(expert, sizes.past)
        length += sum(numbers(inner) for _, inner in own)
    ints[Program.EXPERT_LENGTH] = length
    ints[Program.EXPERT] = f64.block(slices.experts(sizes.names, sizes.past), len(sizes.targets) * length)
    return table


def _monitors(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> NDArray[np.int64]:
    """State of the monitors, one target after the other. Returns their table."""
    table = np.zeros((len(sizes.watching), Monitor.WIDTH), np.int64)
    lengths = [MonitorState.OWN + MONITORS[type(monitor)].state(monitor) for monitor in sizes.watching]
    for row, monitor, place in zip(table, sizes.watching, np.cumsum([0, *lengths[:-1]]), strict=True):
        row[Monitor.STATE], row[Monitor.UNITS] = place, MONITORS[type(monitor)].units
        row[Monitor.SHAPE] = getattr(monitor, "bins", getattr(monitor, "steps", 0))
    ints[Program.MONITORS], ints[Program.MONITOR_LENGTH] = len(sizes.watching), sum(lengths)
    entries = slices.monitors(sizes.names, sizes.names.monitors(sizes.watching), lengths)
    ints[Program.MONITOR] = f64.block(entries, len(sizes.targets) * sum(lengths))
    return table


def _joint(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> None:
    """What is known of all targets together."""
    if not sizes.joint:
        return
    on, count = sizes.names, min(joint.MOST_FACTORS, (len(sizes.targets) + 1) // 2)
    ints[Program.JOINT] = f64.record("joint", names.JOINT)
    f64.record("joint correlation", on.on_targets, on.on_targets)
    f64.record(f"joint factors of {count}", plain(count), {"eigenvalue": 1} | on.on_targets)
    ints[Program.JOINT_LENGTH] = f64.width - ints[Program.JOINT]


def halves(sizes: Sizes, ints: NDArray[np.int64], f32: Plane, f64: Plane, i64: Plane) -> None:
    """A second half of every row for a challenger, as long as the first, and the account of the duel behind it."""
    name = f"challenger {digest([list(plane.slices.items()) for plane in (f32, f64, i64)])}"
    for plane, half in ((f32, Program.HALF_F32), (f64, Program.HALF_F64), (i64, Program.HALF_I64)):
        ints[half] = plane.close()
        plane.add(name, plane.width)
    ints[Program.CHALLENGER] = i64.add(f"duel {name}", Challenger.WIDTH) - int(ints[Program.BASE_I64])
    ints[Program.CHALLENGER_LOSS] = f64.add(f"duel {name}", ChallengerLoss.WIDTH)


def reactions(drift: spec.Drift) -> list[str]:
    """Those that are parts."""
    return [name for name in drift.reactions if name in REACTIONS]


def drift(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """State of the drift detectors, if there are any. Returns their table and their own reals."""
    drift = sizes.model.drift
    detectors = drift.detectors if drift else ()
    table = np.zeros((len(detectors), Detector.WIDTH), np.int64)
    tuning = np.zeros((len(detectors), Detector.SETTINGS))
    length = 0
    for row, own, one in zip(table, tuning, detectors, strict=True):
        kind = DETECTORS[type(one)]
        row[Detector.STATE], own[:] = length, kind.reals(one)
        length += kind.state
    ints[Program.DETECTORS], ints[Program.DETECTOR_LENGTH] = len(detectors), length
    if drift:
        ints[Program.REACTIONS] = len(reactions(drift))
        ints[Program.DRIFT] = f64.record("drift", names.DRIFT)
        f64.record("drift of targets", sizes.names.on_targets, labels(("error", "count")))
        for name, one in zip(unique(f"detector {one.identity()}" for one in detectors), detectors, strict=True):
            f64.add(name, DETECTORS[type(one)].state)
    return table, tuning


def counts(sizes: Sizes, ints: NDArray[np.int64], i64: Plane) -> NDArray[np.int64]:
    """Counters and pending places. Returns the first place of every horizon."""
    on, base, slots = sizes.names, int(ints[Program.BASE_I64]), int(ints[Program.SLOTS])
    i64.record("stream", names.STREAM)
    i64.record("event", names.EVENT)
    i64.record(f"tape {on.tape}", names.TAPE)
    ints[Program.PLACES] = i64.block(slices.places(on, slots), 1 + slots * Place.WIDTH) + 1 - base
    ints[Program.FEEDBACK] = i64.record("feedback", names.FEEDBACK) - base
    ints[Program.LEADS] = i64.record("leads", on.on_horizons) - base
    ints[Program.TRACED] = ints[Program.DRAWN] = -1
    if sizes.delay >= 0:
        ints[Program.TRACED] = i64.add(f"traced {on._replace(by_input=False).tape}", 1) - base
    if any(isinstance(layer, spec.Dropout) for layer in sizes.layers):
        ints[Program.DRAWN] = i64.add("drawn", 1) - base
    return np.array([0, *np.cumsum(sizes.horizons)[:-1]], np.int64)


def scratch(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64]) -> tuple[Room, Room]:
    """Room for one update: gradient, dy, dx, a layer's own; and for the experts' forecasts."""
    rows = sizes.rows
    widest = max(int(size) for row in layers for size in row[Layer.SHAPE : Layer.SHAPE + 2])
    pairs = zip(layers, sizes.layers, strict=True)
    own = max(LAYERS[type(layer)].scratch(rows, *_shape(row)) for row, layer in pairs)
    label32, label64 = covariances.scratch(layers, ints, sizes.answers, sizes.logits) if sizes.filtered else (0, 0)
    f32, f64 = Room(ints), Room(ints)
    f32.section(Program.SCRATCH_GRADIENT, int(ints[Program.PARAMS_LENGTH]))
    f32.section(Program.SCRATCH_DY, rows * widest)
    f32.section(Program.SCRATCH_DX, rows * widest)
    f32.section(Program.SCRATCH_LAYER, max(own, *traces.scratch(sizes.rule, sizes.layers, layers), 0))
    f32.section(Program.SCRATCH_STATE, int(ints[Program.MEMORY_LENGTH]))
    f32.section(Program.SCRATCH_CUT, rows)
    f32.section(Program.SCRATCH_FILTER, label32)
    f32.section(Program.SCRATCH_KEPT, int(ints[Program.TRACES_LENGTH]) if sizes.filtered else 0)
    room = max(joint.ROOM * len(sizes.targets), contract.WIDTH, 1 + int(ints[Program.MONITOR_LENGTH]))
    f64.section(None, room)
    f64.section(Program.SCRATCH_FORECASTS, len(sizes.targets) * len(sizes.experts) * len(sizes.horizons))
    f64.section(Program.SCRATCH_REGRESSORS, len(sizes.past.table))
    shared = sizes.past.shared
    f64.section(Program.SCRATCH_COMING, sizes.past.known + shared.numbers)
    f64.section(Program.SCRATCH_ECHO, len(shared.seen) + HARMONICS + shared.units)
    f64.section(Program.SCRATCH_DERIVATIVES, label64)
    return f32, f64
