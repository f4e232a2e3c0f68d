"""From a spec of task "events" to the program and the planes of its model; see plan.py, whose place it takes."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec
from streamrnn.errors import ConfigError
from streamrnn.kernels.core import event_table as e
from streamrnn.kernels.core import table as c
from streamrnn.model.layout import Plane
from streamrnn.model.parts import HEADS, LAYERS, OPTIMISERS

PRESETS: dict[str, dict[str, Any]] = {
    "light": {
        "layers": (spec.Embedding(16), spec.Gru(32)),
        "experts": (spec.Context(longest=4, contexts=1024),),
        "rule": spec.Tbptt(16, 16),
    },
    "standard": {
        "layers": (spec.Embedding(32), spec.Gru(64)),
        "experts": (spec.Context(),),
        "rule": spec.Tbptt(16, 16),
    },
    "full": {
        "layers": (spec.Embedding(48), spec.Gru(192)),
        "experts": (spec.Context(longest=8, contexts=65536),),
        "rule": spec.Tbptt(16, 16),
    },
}
TIME_HEAD = spec.Gaussian()  # of the log of the seconds until the next event: a log-normal time
LOW_PLACES, PLACES = 62, 14  # short contexts have many successors; an entry is whole cache lines


@dataclass(frozen=True, slots=True)
class Sizes:
    """A spec with everything filled in, and the sizes that follow from it."""

    model: spec.Model
    layers: tuple[spec.Layer, ...]
    context: spec.Context
    vocabulary: spec.Vocabulary
    rule: spec.Tbptt
    anomaly: spec.Anomaly

    @property
    def symbols(self) -> int:
        return self.vocabulary.symbols

    @property
    def tables(self) -> int:
        return self.context.longest + 1

    @property
    def members(self) -> int:
        return self.tables + 1

    @property
    def inputs(self) -> int:
        return self.symbols + 2 * len(self.model.features) + e.LAPSE_INPUTS

    @property
    def outputs(self) -> int:
        return self.symbols + 2

    @property
    def joined(self) -> int:
        """Units of all layers together."""
        units, total = self.inputs, 0
        for layer in self.layers:
            units = LAYERS[type(layer)].units(layer, units)
            total += units
        return total

    @property
    def kept(self) -> int:
        return max(self.rule.window, self.rule.stride) + 1

    @property
    def rows(self) -> int:
        return 2 * self.kept


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernels run, before addresses are known, and the planes it needs; as in plan.py."""

    sizes: Sizes
    table: e.Plan
    f32: Plane
    f64: Plane
    i64: Plane
    learned: Plane
    counts: Plane
    scratch: tuple[int, int, int]  # numbers of float32, float64 and int64

    @property
    def pooled(self) -> bool:
        return self.sizes.model.weights == "pooled"


def resolve(model: spec.Model) -> Sizes:
    """Fill in the preset's parts and refuse what cannot be. Raises ConfigError."""
    preset = PRESETS[model.preset]
    layers = model.layers or preset["layers"]
    experts = model.experts or preset["experts"]
    rule = model.rule or preset["rule"]
    _refuse(model, layers, experts, rule)
    context = experts[0]
    assert isinstance(context, spec.Context) and isinstance(rule, spec.Tbptt)
    return Sizes(
        model=model,
        layers=layers,
        context=context,
        vocabulary=model.vocabulary or spec.Vocabulary(),
        rule=rule,
        anomaly=next((m for m in model.monitors if isinstance(m, spec.Anomaly)), spec.Anomaly()),
    )


def _refuse(model: spec.Model, layers: Any, experts: Any, rule: Any) -> None:
    first, others = layers[0] if layers else None, layers[1:]
    rules = [
        (len(set(model.features)) < len(model.features), "model.features has a name twice", "name each once"),
        (len(model.features) > 256, "more than 256 features", "leave features out"),
        (model.timezone != "UTC", "model.timezone with task 'events'", "leave it out: it has no seasons"),
        (model.frozen, "model.frozen with task 'events'", "leave it out: vocabulary and tables live from what comes"),
        (bool(model.prior), "model.prior with task 'events'", "leave it out: every stream has symbols of its own"),
        (bool(model.feature), "model.feature with task 'events'", "leave it out: nothing of the context is foretold"),
        (model.targets is not None, "model.targets with task 'events'", "leave targets out: it is the next event"),
        (model.horizons != (1,), "model.horizons with task 'events'", "leave horizons out"),
        (
            model.optimiser.schedule != "constant",
            "model.optimiser.schedule with task 'events'",
            "leave schedule out",
        ),
        (model.head != spec.Gaussian(), "model.head with task 'events'", "leave head out: it is categorical"),
        (
            not isinstance(first, spec.Embedding) or not others or any(isinstance(x, spec.Embedding) for x in others),
            "model.layers with task 'events' do not begin with their one embedding",
            'write layers = [{ kind = "embedding" }, { kind = "gru" }], or leave it out for the preset\'s',
        ),
        (
            len(experts) != 1 or not isinstance(experts[0], spec.Context),
            "model.experts with task 'events' is not one of kind 'context'",
            'write experts = [{ kind = "context" }], or leave it out for the preset\'s',
        ),
        (
            not isinstance(rule, spec.Tbptt) or rule.recompute,
            "model.rule with task 'events' is not plain tbptt",
            "leave rule or its recompute out",
        ),
    ]
    for wrong, message, hint in rules:
        if wrong:
            raise ConfigError(message, hint)


def compose(model: spec.Model) -> Plan:
    """Lay a row out. Addresses of parts are not in the table yet: see `link`. Raises ConfigError."""
    sizes = resolve(model)
    ints = np.zeros(e.INTS, np.int64)
    f32, f64, i64 = Plane("f32"), Plane("f64"), Plane("i64")
    pooled = model.weights == "pooled"
    learned, counts = (Plane("pool.f32"), Plane("pool.i64")) if pooled else (f32, i64)
    layers = _layers(sizes)
    _learned(sizes, layers, ints, learned)
    orders = _counted(sizes, ints, counts)
    bases = (learned.close(), counts.close())
    ints[c.BASE_F32], ints[c.BASE_I64] = (0, 0) if pooled else bases
    blocks = _net(sizes, layers, ints, f32)
    _own(sizes, ints, f64, i64)
    scratch = _scratch(sizes, layers, ints)
    ints[[c.WIDTH_F32, c.WIDTH_F64, c.WIDTH_I64]] = f32.close(), f64.close(), i64.close()
    ints[[c.WIDTH_LEARNED, c.WIDTH_COUNTS]] = learned.width, counts.width
    _numbers(sizes, ints)
    table = e.Plan(ints=ints, layers=layers, orders=orders, blocks=blocks, reals=_reals(sizes))
    return Plan(sizes, table, f32, f64, i64, learned, counts, scratch)


def link(plan: Plan, dtype: str) -> None:
    """Compile the parts this plan uses, or load them from the cache, and write their addresses into the table."""
    sizes, table = plan.sizes, plan.table
    for row, layer in zip(table.layers, sizes.layers, strict=True):
        kind = LAYERS[type(layer)]
        row[c.FORWARD], row[c.BACKWARD] = kind.forward.address(dtype), kind.backward.address(dtype)
    table.ints[c.HEAD_GRAD] = HEADS[type(TIME_HEAD)].grad.address(dtype)
    table.ints[c.OPTIMISE] = OPTIMISERS[type(sizes.model.optimiser)].update.address(dtype)


def _layers(sizes: Sizes) -> NDArray[np.int64]:
    """Shape and place of the parameters of every layer."""
    table = np.zeros((len(sizes.layers), c.LAYER_WIDTH), np.int64)
    inputs, params = sizes.inputs, 0
    for number, (row, layer) in enumerate(zip(table, sizes.layers, strict=True)):
        kind = LAYERS[type(layer)]
        units, own = kind.units(layer, inputs), kind.own(layer)
        row[c.LAYER_PARAMS] = params
        row[c.LAYER_SHAPE :] = inputs, units, sizes.rows, own, int(number > 0)
        params += kind.params(inputs, units, own)
        inputs = units
    return table


def _shape(layer: NDArray[np.int64]) -> tuple[int, int, int]:
    """Inputs, units and own setting from a row of the layers' table."""
    inputs, units, _, own, _ = layer[c.LAYER_SHAPE :].tolist()
    return inputs, units, own


def _net_name(sizes: Sizes) -> str:
    """What the meaning of the weights depends on."""
    return f"events {sizes.layers}{sizes.model.features}{sizes.symbols}"


def _learned(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> None:
    last, m, o = layers[-1], sizes.joined, sizes.outputs
    readout = int(last[c.LAYER_PARAMS]) + LAYERS[type(sizes.layers[-1])].params(*_shape(last))
    length, name = readout + (m + 1) * o, _net_name(sizes)
    kind = OPTIMISERS[type(sizes.model.optimiser)]
    ints[e.JOINED], ints[c.READOUT], ints[c.PARAMS_LENGTH] = m, readout, length
    ints[c.PARAMS] = f32.add(f"params {name}", length)
    ints[c.OPTIMISER] = f32.add(f"optimiser {type(sizes.model.optimiser).__name__} {name}", kind.state * length)
    ints[c.OPTIMISER_LENGTH] = kind.state * length
    ints[c.GOOD] = f32.add(f"good {name}", length)
    tables = f"{sizes.context}{sizes.symbols}"
    ints[e.MIXER] = f32.add(f"mixer {tables}", (sizes.tables + 1) * e.STATES * sizes.members)
    ints[e.ESCAPE] = f32.add(f"escape {tables}", sizes.tables * e.ESCAPES * 2)
    ints[e.BELIEF] = f32.add(f"belief {tables}", e.CANDIDATES)
    ints[e.LAPSE] = f32.add("lapse", 3)
    ints[e.CALIBRATION] = f32.add("calibration", e.TAILS * e.TAIL_WIDTH)
    ints[e.RUNNING] = f32.add(f"running {tables}", sizes.members + e.RUNNING_WIDTH)


def _counted(sizes: Sizes, ints: NDArray[np.int64], i64: Plane) -> NDArray[np.int64]:
    """Counts, vocabulary and context tables. Returns the tables' own table; its places are in 32-bit words."""
    symbols, name = sizes.symbols, f"{sizes.symbols}"
    buckets = 1 << (2 * symbols - 1).bit_length()
    i64.add(f"counts {type(sizes.model.optimiser).__name__} {_net_name(sizes)}", c.COUNTS_WIDTH)
    ints[e.KNOWN] = i64.add(f"known {name}", 1)
    ints[e.KEYS] = i64.add(f"keys {name}", symbols)
    ints[e.BUCKETS] = i64.add(f"buckets {name}", buckets)
    ints[e.BUCKET_MASK] = buckets - 1
    ints[e.WAITING] = i64.add(f"waiting {name}", e.WAITERS)
    ints[e.TEXTS] = i64.add(f"texts {name}", symbols * e.TEXT)
    i64.close()
    orders = np.zeros((sizes.tables, e.ORDER_WIDTH), np.int64)
    for k, row in enumerate(orders):
        contexts = 1 << math.ceil(math.log2(max(e.PROBES, min(sizes.context.contexts, symbols**k if k < 4 else 2**20))))
        places = LOW_PLACES if k < e.SHORT else PLACES
        words = contexts * (e.HEAD + places)
        row[:] = k, 2 * i64.add(f"table {k} {contexts} {places} {name}", words // 2), contexts - 1, places
    return orders


def _net(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64], f32: Plane) -> NDArray[np.int64]:
    """Hidden state, inputs and tape. Returns the tape's blocks."""
    base, rows, outputs = int(ints[c.BASE_F32]), sizes.rows, sizes.outputs
    name = f"{_net_name(sizes)} {rows} rows"
    blocks: list[tuple[int, int]] = []

    def block(title: str, width: int) -> int:
        offset = f32.add(f"tape {title} {name}", rows * width) - base
        blocks.append((offset, width))
        return offset

    ints[c.MEMORY_F32] = f32.width - base
    for row, layer in zip(layers, sizes.layers, strict=True):
        state = LAYERS[type(layer)].state(*_shape(row))
        row[c.LAYER_STATE] = f32.add(f"state {row[c.LAYER_PARAMS]} {name}", state) - base
    ints[c.MEMORY_LENGTH] = f32.width - base - ints[c.MEMORY_F32]
    ints[c.INPUT] = f32.add(f"input {name}", sizes.inputs) - base
    ints[c.KEEP], ints[c.GRADIENT] = block("keep", 1), block("gradient", outputs)
    ints[c.TOPS], ints[c.RAW] = block("top", sizes.joined), block("output", outputs)
    for row, layer in zip(layers, sizes.layers, strict=True):
        row[c.LAYER_TAPE] = f32.width - base
        for number, width in enumerate(LAYERS[type(layer)].tape(*_shape(row))):
            block(f"{row[c.LAYER_PARAMS]}.{number}", width)
    ints[c.BLOCKS] = len(blocks)
    return np.array(blocks, np.int64)


def _own(sizes: Sizes, ints: NDArray[np.int64], f64: Plane, i64: Plane) -> None:
    """What a stream has for itself besides the network's state."""
    base = int(ints[c.BASE_I64])
    ints[c.CLOCK] = f64.add("clock", c.CLOCK_WIDTH)
    ints[e.NUMERIC] = f64.add(f"numeric {sizes.model.features}", 3 * len(sizes.model.features))
    ints[e.SESSION] = f64.add("session", e.SESSION_WIDTH)
    ints[c.LATEST] = f64.add(f"latest event {sizes.symbols}", e.LATEST_WIDTH)
    i64.add(f"event counters {_net_name(sizes)} {sizes.rows} rows", e.COUNTERS)
    ints[e.HISTORY] = i64.add(f"history {sizes.symbols}", e.REACH) - base


def _scratch(sizes: Sizes, layers: NDArray[np.int64], ints: NDArray[np.int64]) -> tuple[int, int, int]:
    """Room for one update and for all members' distributions."""
    rows, symbols = sizes.rows, sizes.symbols
    widest = max(sizes.joined, *(int(size) for row in layers for size in row[c.LAYER_SHAPE : c.LAYER_SHAPE + 2]))
    pairs = zip(layers, sizes.layers, strict=True)
    own = max(LAYERS[type(layer)].scratch(rows, *_shape(row)) for row, layer in pairs)
    length = 0
    for place, size in (
        (c.SCRATCH_GRADIENT, int(ints[c.PARAMS_LENGTH])),
        (c.SCRATCH_DY, rows * widest),
        (c.SCRATCH_DX, rows * widest),
        (c.SCRATCH_LAYER, own),
        (e.SCRATCH_DELTA, rows * max(sizes.outputs, widest)),
        (e.SCRATCH_SHARES, (sizes.members + 1) * symbols),
        (e.SCRATCH_LOGS, sizes.members * symbols),
        (e.SCRATCH_MIXED, symbols),
        (e.SCRATCH_FINAL, symbols),
    ):
        ints[place] = length
        length += -(-size // 16) * 16
    return length, 1 + len(sizes.model.features), 3 + 2 * sizes.tables


def _numbers(sizes: Sizes, ints: NDArray[np.int64]) -> None:
    """The sizes and settings that are plain numbers."""
    values = {
        c.INPUTS: sizes.inputs,
        c.LAYERS: len(sizes.layers),
        c.OUTPUTS: sizes.outputs,
        c.ROWS: sizes.rows,
        c.KEPT: sizes.kept,
        c.WINDOW: sizes.rule.window,
        c.STRIDE: sizes.rule.stride,
        c.POOLED: int(sizes.model.weights == "pooled"),
        c.WARMUP: sizes.anomaly.warmup,
        c.QUIET: sizes.anomaly.quiet,
        e.SYMBOLS: sizes.symbols,
        e.NUMBERS: len(sizes.model.features),
        e.TABLES: sizes.tables,
        e.SHOWN: sizes.vocabulary.shown,
    }
    for place, value in values.items():
        ints[place] = value


def _reals(sizes: Sizes) -> NDArray[np.float64]:
    """Rates and levels."""
    optimiser = sizes.model.optimiser
    reals = np.concatenate([np.zeros(c.HEAD_REALS), HEADS[type(TIME_HEAD)].reals(TIME_HEAD)])
    reals[c.ALERTS], reals[c.RATE], reals[c.CLIP] = sizes.vocabulary.alert_rate, optimiser.rate, optimiser.clip
    own = OPTIMISERS[type(optimiser)].reals(optimiser)
    reals[c.FIRST : c.FIRST + len(own)] = own
    reals[c.VALUE], reals[c.CAP] = optimiser.clip_value, optimiser.cap or np.inf
    reals[c.SILENCE_AFTER] = sizes.model.silence
    reals[c.START_QUANTILE] = statistics.NormalDist().inv_cdf(1.0 - sizes.vocabulary.alert_rate)
    return reals
