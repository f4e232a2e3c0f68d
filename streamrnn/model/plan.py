"""From a spec to the plan that the kernels run: defaults, refusals, offsets, addresses."""

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.kernels.core import arrays
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
from streamrnn.kernels.core.program import Detector, Expert, Layer, Monitor, Program, Reals
from streamrnn.kernels.drift import contract
from streamrnn.kernels.learning import learning_rate
from streamrnn.model import covariances, covariates, names, slices, traces
from streamrnn.model.history import Past, past
from streamrnn.model.layout import Plane, digest, labels, numbers, plain, unique
from streamrnn.model.names import Names
from streamrnn.model.parts import DETECTORS, EXPERTS, HEADS, LAYERS, MONITORS, OPTIMISERS, REACTIONS
from streamrnn.model.refuse import refuse

PRESETS: dict[str, dict[str, Any]] = {
    "light": {
        "layers": (spec.Gru(16),),
        "experts": (spec.Last(), spec.Profile(), spec.Linear("lags", lags=11, forget=0.999)),
        "rule": spec.Tbptt(16, 16),
        "history": 64,
        "gate": False,
        "monitors": (spec.Residual(), spec.Mean()),
    },
    "standard": {
        "layers": (spec.Gru(32),),
        "experts": (spec.Last(), spec.Seasonal(), spec.Profile(), spec.Linear()),
        "rule": spec.Tbptt(16, 8),
        "history": 1024,
        "gate": True,
        "monitors": (spec.Residual(), spec.Mean(), spec.Mean(0.01), spec.Hours()),
    },
    "full": {
        "layers": (spec.Gru(16),),
        "experts": (
            spec.Last(),
            spec.Seasonal(1),
            spec.Seasonal(2),
            spec.Change(1),
            spec.Level(2),
            spec.Profile(),
            spec.Linear("profile"),
            spec.Linear("calendar", forget=0.9998, root=True),
            spec.Linear("calendar", forget=0.998, root=True),
        ),
        "rule": spec.Tbptt(24, 8),
        "history": 2048,
        "gate": True,
        "monitors": (spec.Residual(), spec.Mean(), spec.Mean(0.01), spec.Hours()),
    },
}
LABEL = "label"
SCHEDULES = {"constant": learning_rate.CONSTANT, "sqrt": learning_rate.SQRT, "plateau": learning_rate.PLATEAU}


@dataclass(frozen=True, slots=True)
class Sizes:
    """A spec with everything filled in, and the sizes that follow from it."""

    model: spec.Model
    layers: tuple[spec.Layer, ...]
    experts: tuple[spec.Expert, ...]
    past: Past
    rule: spec.Rule
    conformal: spec.Conformal
    anomaly: spec.Anomaly
    watching: tuple[spec.Residual | spec.Mean | spec.Hours, ...]  # the monitors behind the score
    targets: tuple[str, ...]
    horizons: tuple[int, ...]
    inputs: int
    gate: int  # inputs of the network before those of its gate over the experts; 0: it has none
    sees: tuple[str, ...]  # what of them the network sees
    own_inputs: int  # inputs before the experts' and the calendar
    kept: int  # rows of the tape an update may need
    coming: tuple[int, ...]  # features whose values are known ahead

    @property
    def outputs(self) -> int:
        head = self.model.head
        per_target = HEADS[type(head)].width(head) * len(self.horizons)
        return (per_target + (len(self.experts) if self.gate else 0)) * len(self.targets)

    @property
    def filtered(self) -> bool:
        """Whether the network is trained by the filter, label by label."""
        return isinstance(self.model.optimiser, spec.Ekf)

    @property
    def answers(self) -> int:
        return len(self.targets) * len(self.horizons)

    @property
    def logits(self) -> int:
        return len(self.targets) * len(self.experts) if self.gate else 0

    @property
    def last_round(self) -> int:
        """Forecasts of the last round of the mix: base, gated, network."""
        return 3 if self.gate else 2

    @property
    def rows(self) -> int:
        return 2 * self.kept

    @property
    def recompute(self) -> bool:
        return isinstance(self.rule, spec.Tbptt) and self.rule.recompute

    @property
    def delay(self) -> int:
        """Rows that may still get answers, for rules that take every row once; -1 for those that do not."""
        if not isinstance(self.rule, traces.RULES):
            return -1
        return 1 if self.labelled else max(self.horizons) - 1

    @property
    def labelled(self) -> bool:
        return self.model.task == "label"

    @property
    def names(self) -> Names:
        """What the names of a row's slices rest on."""
        head, model = self.model.head, self.model
        return Names(
            layers=self.layers,
            by_input=LAYERS[type(self.layers[0])].by_input,
            head=head,
            width=HEADS[type(head)].width(head),
            rule=self.rule,
            features=model.features,
            targets=self.targets,
            horizons=self.horizons,
            experts=self.experts,
            gated=bool(self.gate),
            coming=tuple(model.features[place] for place in self.coming),
            rows=self.rows,
            seasons=model.seasons or (),
            timezone=model.timezone,
            sees=self.sees if model.inputs is not None or self.filtered else (),
            corrects=corrects(self),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernels run, before addresses are known, and the planes it needs."""

    sizes: Sizes
    table: arrays.Plan
    f32: Plane
    f64: Plane
    i64: Plane
    learned: Plane  # f32 and i64 themselves when weights are private
    counts: Plane
    scratch: tuple[int, int]  # numbers of float32 and float64

    @property
    def pooled(self) -> bool:
        return self.sizes.model.weights == "pooled"

    @property
    def planes(self) -> list[Plane]:
        """Those of a stream and, with pooled weights, of the pool."""
        own = [self.f32, self.f64, self.i64]
        return [*own, self.learned, self.counts] if self.pooled else own


def resolve(model: spec.Model) -> Sizes:
    """Fill in the preset's parts and refuse what cannot be. Raises ConfigError."""
    refuse(model)
    preset = PRESETS[model.preset]
    labelled = model.task == "label"
    experts = model.experts or ((spec.Last(),) if labelled else preset["experts"])
    filtered = isinstance(model.optimiser, spec.Ekf)
    rule = model.rule or (covariances.RULE if filtered else preset["rule"])
    layers = model.layers or (covariances.LAYERS if filtered else preset["layers"])
    traces.refuse(model, rule, layers)
    covariances.refuse(model, layers, rule)
    history = model.history or preset["history"]
    targets = (LABEL,) if labelled else (model.targets or model.features)
    horizons = (0,) if labelled else model.horizons
    gated = (preset["gate"] and not filtered) if model.gate is None else model.gate
    again = isinstance(rule, spec.Tbptt) and rule.recompute
    gated = gated and not labelled and not again and len(experts) > 1
    coming = tuple(model.features.index(name) for name in covariates.coming(model))
    sees = covariances.seen(model, gated)
    own, others = covariances.widths(sees, len(model.features), len(targets), len(experts), len(horizons))
    own += 2 * len(coming) * len(horizons)
    window = rule.window if isinstance(rule, spec.Tbptt) else 1
    span = max(window, rule.stride + max(horizons) - min(horizons))
    span = max(span, window + max(horizons)) if filtered else span
    return Sizes(
        model=model,
        layers=layers,
        experts=experts,
        past=past(experts, horizons, 1 if labelled else history, len(coming)),
        rule=rule,
        conformal=next((m for m in model.monitors if isinstance(m, spec.Conformal)), spec.Conformal()),
        anomaly=next((m for m in model.monitors if isinstance(m, spec.Anomaly)), spec.Anomaly()),
        watching=_watching(model),
        targets=targets,
        horizons=horizons,
        inputs=own + others,
        gate=own if gated else 0,
        sees=sees,
        own_inputs=own,
        kept=span + max(min(horizons), 1),
        coming=coming,
    )


def _watching(model: spec.Model) -> tuple[Any, ...]:
    """The monitors that are combined into the score: those named, or else the preset's."""
    named = tuple(monitor for monitor in model.monitors if type(monitor) in MONITORS)
    if model.task == "label":
        return named or (spec.Residual(),)
    return named or PRESETS[model.preset]["monitors"]


def compose(model: spec.Model) -> Plan:
    """Lay a row out. Addresses of parts are not in the table yet: see `link`. Raises ConfigError."""
    sizes = resolve(model)
    ints = np.zeros(Program.WIDTH, np.int64)
    f32, f64, i64 = Plane("f32"), Plane("f64"), Plane("i64")
    pooled = model.weights == "pooled"
    learned, counts = (Plane("pool.f32"), Plane("pool.i64")) if pooled else (f32, i64)
    layers = _layers(sizes)
    _learned(sizes, layers, ints, learned, counts)
    bases = (learned.close(), counts.close())
    ints[Program.BASE_F32], ints[Program.BASE_I64] = (0, 0) if pooled else bases
    blocks = _net(sizes, layers, ints, f32)
    experts, monitors = _real(sizes, ints, f64)
    detectors, tuning = _drift(sizes, ints, f64)
    slots = _count(sizes, ints, i64)
    scratch = _scratch(sizes, layers, ints)
    if challenged(model):
        _halves(sizes, ints, f32, f64, i64)
    ints[[Program.WIDTH_F32, Program.WIDTH_F64, Program.WIDTH_I64]] = f32.close(), f64.close(), i64.close()
    ints[[Program.WIDTH_LEARNED, Program.WIDTH_COUNTS]] = learned.width, counts.width
    _numbers(sizes, ints)
    table = arrays.Plan(
        ints=ints,
        layers=layers,
        experts=experts,
        settings=np.array([EXPERTS[type(expert)].reals(expert) for expert in sizes.experts]),
        past=sizes.past.ints,
        priors=_priors(sizes),
        targets=_targets(sizes),
        horizons=np.array(sizes.horizons, np.int64),
        slots=slots,
        blocks=blocks,
        reals=_reals(sizes),
        monitors=monitors,
        rates=np.array([getattr(monitor, "rate", 0.0) for monitor in sizes.watching]),
        limits=covariates.limits(model, sizes.targets),
        detectors=detectors,
        tuning=tuning,
        reactions=np.zeros(int(ints[Program.REACTIONS]), np.int64),
        coming=np.array(sizes.coming, np.int64),
    )
    return Plan(sizes, table, f32, f64, i64, learned, counts, scratch)


def link(plan: Plan, dtype: str) -> None:
    """Compile the parts this plan uses, or load them from the cache, and write their addresses into the table."""
    sizes, table = plan.sizes, plan.table
    for row, layer in zip(table.layers, sizes.layers, strict=True):
        kind = LAYERS[type(layer)]
        row[Layer.FORWARD], row[Layer.BACKWARD] = kind.forward.address(dtype), kind.backward.address(dtype)
        row[Layer.TRAIN] = (kind.train or kind.forward).address(dtype)
        trace = traces.trace(sizes.rule, layer)
        row[Layer.FOLLOW] = trace.follow.address(dtype) if trace else 0
    for row, expert in zip(table.experts, sizes.experts, strict=True):
        part = EXPERTS[type(expert)]
        row[Expert.SETTLE], row[Expert.FORECAST] = part.settle.address(dtype), part.forecast.address(dtype)
        row[Expert.HASTEN] = part.hasten.address(dtype) if part.hasten and sizes.model.drift else 0
    for row, monitor in zip(table.monitors, sizes.watching, strict=True):
        watch = MONITORS[type(monitor)]
        row[Monitor.DEVIATE], row[Monitor.ADOPT] = watch.deviate.address(dtype), watch.adopt.address(dtype)
    if drift := sizes.model.drift:
        for row, one in zip(table.detectors, drift.detectors, strict=True):
            row[Detector.UPDATE] = DETECTORS[type(one)].update.address(dtype)
        table.reactions[:] = [REACTIONS[name].address(dtype) for name in _reactions(drift)]
    head = HEADS[type(sizes.model.head)]
    table.ints[Program.HEAD_GRAD], table.ints[Program.HEAD_READ] = head.grad.address(dtype), head.read.address(dtype)
    if sizes.filtered:
        table.ints[Program.HEAD_INNOVATE] = head.innovate.address(dtype)
    else:
        table.ints[Program.OPTIMISE] = OPTIMISERS[type(sizes.model.optimiser)].update.address(dtype)


def _layers(sizes: Sizes) -> NDArray[np.int64]:
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


def _learned(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane, i64: Plane) -> None:
    """Weights, the state of the optimiser and of the learning rate, the last good weights, their counts."""
    inputs, top, own = _shape(layers[-1])
    readout = int(layers[-1][Layer.PARAMS]) + LAYERS[type(sizes.layers[-1])].params(inputs, top, own)
    first, units, _ = _shape(layers[0])
    params, on, optimiser = LAYERS[type(sizes.layers[0])].params, sizes.names, sizes.model.optimiser
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


def _net(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> NDArray[np.int64]:
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


def _real(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clocks, scalers, experts, calibration and pending forecasts. Returns the experts' and the monitors' table."""
    on, hours, e = sizes.names, sizes.conformal.hours, len(sizes.experts)
    answers = len(sizes.targets) * len(sizes.horizons)
    ints[Program.CLOCK] = f64.record("clock", names.CLOCK)
    ints[Program.SCALE] = f64.record("scale", on.on_features, names.SCALE)
    ints[Program.TARGET] = f64.record("target", on.on_targets, names.TARGET)
    table = _experts(sizes, ints, f64)
    ints[Program.HISTORY_LENGTH] = sizes.past.length
    ints[Program.HISTORY] = f64.block(slices.history(on, sizes.past), len(sizes.targets) * sizes.past.length)
    ints[Program.MIX_WIDTH] = 4 * (e + sizes.last_round)
    ints[Program.MIX] = f64.block(slices.mix(on), answers * int(ints[Program.MIX_WIDTH]))
    ints[Program.STATS] = f64.block(slices.stats(on, sizes.conformal.level), answers * Stats.WIDTH)
    ints[Program.HOURS_OF_DAY] = hours
    ints[Program.SHARES] = f64.record(on.zoned(f"hours {hours}"), on.on_targets, on.on_horizons, plain(hours))
    ints[Program.WATCH] = f64.record("watch", on.on_targets, names.WATCH)
    ints[Program.PEAKS] = f64.record("peaks", names.PEAKS)
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


def challenged(model: spec.Model) -> bool:
    """Whether a drift begins a challenger."""
    return model.drift is not None and "challenger" in model.drift.reactions


def _reactions(drift: spec.Drift) -> list[str]:
    """Those that are parts."""
    return [name for name in drift.reactions if name in REACTIONS]


def _halves(sizes: Sizes, ints: NDArray[np.int64], f32: Plane, f64: Plane, i64: Plane) -> None:
    """A second half of every row for a challenger, as long as the first, and the account of the duel behind it."""
    name = f"challenger {digest([list(plane.slices.items()) for plane in (f32, f64, i64)])}"
    for plane, half in ((f32, Program.HALF_F32), (f64, Program.HALF_F64), (i64, Program.HALF_I64)):
        ints[half] = plane.close()
        plane.add(name, plane.width)
    ints[Program.CHALLENGER] = i64.add(f"duel {name}", Challenger.WIDTH) - int(ints[Program.BASE_I64])
    ints[Program.CHALLENGER_LOSS] = f64.add(f"duel {name}", ChallengerLoss.WIDTH)


def _drift(sizes: Sizes, ints: NDArray[np.int64], f64: Plane) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
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
        ints[Program.REACTIONS] = len(_reactions(drift))
        ints[Program.DRIFT] = f64.record("drift", names.DRIFT)
        f64.record("drift of targets", sizes.names.on_targets, labels(("error", "count")))
        for name, one in zip(unique(f"detector {one.identity()}" for one in detectors), detectors, strict=True):
            f64.add(name, DETECTORS[type(one)].state)
    return table, tuning


def _count(sizes: Sizes, ints: NDArray[np.int64], i64: Plane) -> NDArray[np.int64]:
    """Counters and pending places. Returns the first place of every horizon."""
    on, base, slots = sizes.names, int(ints[Program.BASE_I64]), int(ints[Program.SLOTS])
    i64.record("stream", names.STREAM)
    i64.record("event", names.EVENT)
    i64.record(f"tape {on.tape}", names.TAPE)
    ints[Program.PLACES] = i64.block(slices.places(on, slots), 1 + slots * Place.WIDTH) + 1 - base
    ints[Program.FEEDBACK] = i64.record("feedback", names.FEEDBACK) - base
    ints[Program.TRACED] = ints[Program.DRAWN] = -1
    if sizes.delay >= 0:
        ints[Program.TRACED] = i64.add(f"traced {on._replace(by_input=False).tape}", 1) - base
    if any(isinstance(layer, spec.Dropout) for layer in sizes.layers):
        ints[Program.DRAWN] = i64.add("drawn", 1) - base
    return np.array([0, *np.cumsum(sizes.horizons)[:-1]], np.int64)


def _scratch(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64]) -> tuple[int, int]:
    """Room for one update: gradient, dy, dx, a layer's own; and for the experts' forecasts."""
    rows = sizes.rows
    widest = max(int(size) for row in layers for size in row[Layer.SHAPE : Layer.SHAPE + 2])
    pairs = zip(layers, sizes.layers, strict=True)
    own = max(LAYERS[type(layer)].scratch(rows, *_shape(row)) for row, layer in pairs)
    room = [own, *traces.scratch(sizes.rule, sizes.layers, layers)]
    ints[Program.SCRATCH_GRADIENT] = 0
    ints[Program.SCRATCH_DY] = ints[Program.PARAMS_LENGTH]
    ints[Program.SCRATCH_DX] = ints[Program.SCRATCH_DY] + rows * widest
    ints[Program.SCRATCH_LAYER] = ints[Program.SCRATCH_DX] + rows * widest
    ints[Program.SCRATCH_STATE] = ints[Program.SCRATCH_LAYER] + max(room)
    ints[Program.SCRATCH_CUT] = ints[Program.SCRATCH_STATE] + ints[Program.MEMORY_LENGTH]
    ints[Program.SCRATCH_FILTER] = ints[Program.SCRATCH_CUT] + rows
    room32, room64 = covariances.scratch(layers, ints, sizes.answers, sizes.logits) if sizes.filtered else (0, 0)
    ints[Program.SCRATCH_KEPT] = ints[Program.SCRATCH_FILTER] + room32
    room32 += int(ints[Program.TRACES_LENGTH]) if sizes.filtered else 0
    outputs = len(sizes.targets) * len(sizes.experts) * len(sizes.horizons)
    ints[Program.SCRATCH_FORECASTS] = len(sizes.targets)
    ints[Program.SCRATCH_REGRESSORS] = ints[Program.SCRATCH_FORECASTS] + outputs
    ints[Program.SCRATCH_COMING] = ints[Program.SCRATCH_REGRESSORS] + len(sizes.past.table)
    ints[Program.SCRATCH_DERIVATIVES] = ints[Program.SCRATCH_COMING] + len(sizes.coming) * (len(sizes.horizons) + 1)
    reals = int(ints[Program.SCRATCH_DERIVATIVES]) + room64
    return int(ints[Program.SCRATCH_FILTER]) + room32, max(reals, contract.WIDTH, 1 + int(ints[Program.MONITOR_LENGTH]))


def _numbers(sizes: Sizes, ints: NDArray[np.int64]) -> None:
    """The sizes and settings that are plain numbers."""
    seasonal = [number for number, expert in enumerate(sizes.experts) if isinstance(expert, spec.Seasonal)]
    values = {
        Program.FEATURES: len(sizes.model.features),
        Program.TARGETS: len(sizes.targets),
        Program.HORIZONS: len(sizes.horizons),
        Program.EXPERTS: len(sizes.experts),
        Program.INPUTS: sizes.inputs,
        Program.LAYERS: len(sizes.layers),
        Program.OUTPUTS: sizes.outputs,
        Program.GATE: sizes.gate,
        Program.SCHEDULE: SCHEDULES[getattr(sizes.model.optimiser, "schedule", "constant")],
        Program.EKF: int(sizes.filtered),
        Program.OWN_INPUTS: sizes.own_inputs,
        Program.SEES: sum(covariances.SEES[name] for name in set(sizes.sees)),
        Program.CORRECTS: covariances.CORRECTS[corrects(sizes)],
        Program.LOGITS: sizes.outputs - len(sizes.targets) * len(sizes.experts),
        Program.LAST_ROUND: sizes.last_round,
        Program.HEAD_WIDTH: HEADS[type(sizes.model.head)].width(sizes.model.head),
        Program.HEAD_ABSOLUTE: int(HEADS[type(sizes.model.head)].absolute),
        Program.ROWS: sizes.rows,
        Program.KEPT: sizes.kept,
        Program.WINDOW: getattr(sizes.rule, "window", 1),
        Program.STRIDE: sizes.rule.stride,
        Program.RECOMPUTE: int(sizes.recompute),
        Program.DELAY: sizes.delay,
        Program.LABEL_TASK: int(sizes.labelled),
        Program.LABEL_RING: sizes.model.label_memory,
        Program.SEASONAL: seasonal[0] if seasonal else -1,
        Program.POOLED: int(sizes.model.weights == "pooled"),
        Program.WARMUP: sizes.anomaly.warmup,
        Program.QUIET: sizes.anomaly.quiet,
        Program.HOLDOFF: sizes.anomaly.holdoff,
        Program.COMING: len(sizes.coming),
        **covariates.places(sizes.model, sizes.targets, len(sizes.coming) * len(sizes.horizons)),
    }
    for place, value in values.items():
        ints[place] = value


def corrects(sizes: Sizes) -> str:
    """What the network's forecast corrects."""
    if sizes.model.corrects is not None:
        return sizes.model.corrects
    return ("mean" if sizes.labelled else "last") if sizes.filtered else "mix"


def _priors(sizes: Sizes) -> NDArray[np.float64]:
    """Logarithms of the prior weights of both rounds of the mix; the weights of each round sum to 1."""
    weights = np.array([EXPERTS[type(expert)].prior for expert in sizes.experts])
    last = [0.9, 0.05, 0.05] if sizes.gate else [0.5, 0.5]
    return np.asarray(np.log(np.concatenate([weights / weights.sum(), last])), np.float64)


def _targets(sizes: Sizes) -> NDArray[np.int64]:
    if sizes.labelled:
        return np.array([-1], np.int64)
    return np.array([sizes.model.features.index(target) for target in sizes.targets], np.int64)


def _reals(sizes: Sizes) -> NDArray[np.float64]:
    """Rates and levels."""
    optimiser, level, head = sizes.model.optimiser, sizes.conformal.level, sizes.model.head
    reals = np.concatenate([np.zeros(Reals.HEAD), HEADS[type(head)].reals(head)])
    reals[Reals.SCALE_RATE], reals[Reals.LEVEL], reals[Reals.ALERTS] = (
        sizes.model.scale_rate,
        level,
        sizes.anomaly.alerts_per_week,
    )
    reals[Reals.CLIP] = optimiser.clip
    if isinstance(optimiser, spec.Ekf):
        own: tuple[float, ...] = (optimiser.weights, optimiser.readout, optimiser.noise)
        reals[Reals.VALUE] = optimiser.threshold
    else:
        own = OPTIMISERS[type(optimiser)].reals(optimiser)
        reals[Reals.RATE], reals[Reals.PERIOD] = optimiser.rate, optimiser.period
        reals[Reals.VALUE], reals[Reals.CAP] = optimiser.clip_value, optimiser.cap or np.inf
    reals[Reals.HALF_LIFE], reals[Reals.SILENCE_AFTER] = sizes.model.half_life, sizes.model.silence
    reals[Reals.SEASONS : Reals.SEASONS + 2] = [*(sizes.model.seasons or ()), 0.0, 0.0][:2]
    reals[Reals.FIRST : Reals.FIRST + len(own)] = own
    normal = statistics.NormalDist().inv_cdf(0.5 + level / 2)
    reals[Reals.START_QUANTILE] = normal / np.sqrt(2 / np.pi)  # in mean absolute errors
    return reals
